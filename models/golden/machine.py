"""Runs a whole program on a memory image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.golden.load_store import load, store
from models.golden.matrix import matrix, weight
from models.golden.state import MachineState
from models.golden.vector import vector
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.descriptor import Descriptor, ProgramError, decode_program
from models.program.legal import broken_rule

EXECUTE: Mapping[Unit, Callable[[MachineState, Mapping[str, int]], None]] = {
    Unit.LOAD: load,
    Unit.WEIGHT: weight,
    Unit.MATRIX: matrix,
    Unit.VECTOR: vector,
    Unit.STORE: store,
}


class GoldenMachine:
    """A machine with its memory windows, which executes descriptors in program order.

    Tokens only order the units' work in time, so this model ignores them; only the RTL can show
    that a program's tokens are right.

    Parameters
    ----------
    spec : MachineSpec
    windows : sequence of uint8 arrays
        Memory windows as the host sets them (0 holds program and constants). Written in place.
    run : int
        Value of the register RUN, which seeds the noise of a macro.
    """

    def __init__(
        self, spec: MachineSpec, windows: Sequence[NDArray[np.uint8]], run: int = 0
    ) -> None:
        self.spec = spec
        self.state = MachineState(spec=spec, windows=list(windows), run=run)

    def run(self, after: Callable[[int, Descriptor], None] | None = None) -> None:
        """Decode and execute the program in window 0.

        Parameters
        ----------
        after : function of (index, descriptor), optional
            Called when a descriptor is done.

        Raises
        ------
        ProgramError
            If the program is not for this machine, or a descriptor exceeds its bounds.
        """
        for index, descriptor in enumerate(
            decode_program(self.spec, self.state.windows[0].tobytes())
        ):
            wrong = broken_rule(self.spec, descriptor.unit, descriptor.fields)
            if wrong:
                raise ProgramError(f"descriptor {index} ({descriptor.unit.name}): {wrong}")
            try:
                EXECUTE[descriptor.unit](self.state, descriptor.fields)
            except ProgramError:
                raise
            except (IndexError, KeyError, ValueError, OverflowError) as error:
                raise ProgramError(
                    f"descriptor {index} ({descriptor.unit.name}) must be executable: {error}"
                ) from error
            if after is not None:
                after(index, descriptor)
