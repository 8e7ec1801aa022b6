"""A program as the cycle model reads it: descriptors of a network that was mapped to a machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flows.mapper.map_network import map_program
from flows.mapper.mapped import MappedLayer, MappedNetwork
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.network.graph import IntegerGraph
from models.program.descriptor import Descriptor, decode_program
from models.program.layout import PROGRAM_WINDOW

__all__ = ["MappedProgram"]


@dataclass(frozen=True, kw_only=True)
class MappedProgram:
    """Descriptors in program order and the layers that their tags mean.

    Tags are those of :class:`flows.mapper.mapped.MappedLayer`; the network's input has 0, its
    output the one behind the last layer's.
    """

    spec: MachineSpec
    program: tuple[Descriptor, ...] = field(repr=False)
    layers: tuple[MappedLayer, ...] = field(repr=False)

    @staticmethod
    def of(network: MappedNetwork) -> MappedProgram:
        """The program of a mapped network."""
        program = decode_program(network.spec, network.image.tobytes())
        return MappedProgram(spec=network.spec, program=tuple(program), layers=network.layers)

    @staticmethod
    def planned(graph: IntegerGraph, spec: MachineSpec) -> MappedProgram:
        """The program of a network on a machine without a macro; its weights are not packed.

        Raises
        ------
        MappingError
            If it does not map.
        """
        program, layers = map_program(graph, spec)
        return MappedProgram(spec=spec, program=tuple(program), layers=layers)

    @property
    def plain(self) -> bool:
        """Whether every layer is made at once: none in strips, none in parts."""
        return not self.strips and not self.parts

    @property
    def strips(self) -> int:
        """Layers that read or write tensors in memory, strip by strip."""
        return len({one.tag for one in self._moved()})

    @property
    def parts(self) -> int:
        """Layers whose K is computed in parts."""
        return len({one.tag for one in self.program if one.fields.get("keep_sums")})

    @property
    def memory_bytes(self) -> int:
        """Bytes of activations that those layers load and store.

        Lines that two strips share count twice.
        """
        axi, pitch = self.spec.axi_bytes, self.spec.word_pitch
        return sum(
            one.fields["beats"] * axi if one.unit is Unit.LOAD else one.fields["words"] * pitch
            for one in self._moved()
        )

    def _moved(self) -> Iterable[Descriptor]:
        """Loads and stores of activations in the middle of the network."""
        for one in self.program:
            if not 0 < one.tag <= len(self.layers):
                continue
            if one.unit is Unit.STORE or (
                one.unit is Unit.LOAD and one.fields["window"] != PROGRAM_WINDOW
            ):
                yield one
