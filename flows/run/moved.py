"""What descriptors move on the memory bus and multiply, by their fields alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.descriptor import Descriptor
from models.program.layout import LoadTarget

__all__ = ["Moved", "beats_of", "moved"]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Bytes on the memory bus, whole beats: what is read, by its kind, and what is written."""

    weights: int = 0
    parameters: int = 0
    tensors: int = 0
    written: int = 0

    @property
    def read(self) -> int:
        """All that is read."""
        return self.weights + self.parameters + self.tensors

    def __add__(self, other: Moved) -> Moved:
        return Moved(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )


def moved(program: Iterable[Descriptor], spec: MachineSpec) -> Moved:
    """Bytes that descriptors move; that they are fetched themselves is not in it."""
    total = dict.fromkeys((f.name for f in fields(Moved)), 0)
    for one in program:
        if one.unit is Unit.STORE:
            total["written"] += one.fields["words"] * spec.word_pitch
        elif one.unit is Unit.LOAD:
            total[_kind(one.fields["target"])] += one.fields["beats"] * spec.axi_bytes
    return Moved(**total)


def beats_of(product: Descriptor, spec: MachineSpec) -> int:
    """Beats of the array for a descriptor of the matrix unit."""
    f = product.fields
    groups = -(-f["tokens"] // spec.tokens)
    beats: int = (f["words"] - 1) * spec.tokens + f["last_beats"]
    return f["tiles"] * groups * f["kernel_y"] * f["kernel_x"] * beats


def _kind(target: int) -> str:
    if target == LoadTarget.WEIGHTS:
        return "weights"
    return "tensors" if target == LoadTarget.SCRATCHPAD else "parameters"
