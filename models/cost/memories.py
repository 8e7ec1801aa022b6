"""The block memories of a machine, by shape; and what they cost on Xilinx devices.

Synthesis tools differ in how they count block RAM; the shapes do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.cost.pipelines import LOAD_BEATS
from models.machine.spec import MachineSpec
from models.program.layout import ORDER_WORD_BITS, ROW_ENTRIES, TABLE_ENTRIES

RAMB18_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Depth and width of an 18 Kb block with one read and one write port.

Any two of them share a tile, a block of 36 Kb, of 7-series and UltraScale+ devices (UG473, UG573).
"""


@dataclass(frozen=True, kw_only=True)
class BlockMemory:
    """``count`` memories of ``depth`` words of ``width`` bits, written whole or by bytes."""

    name: str
    width: int
    depth: int
    count: int = 1
    byte_writes: bool = False

    @property
    def half_blocks(self) -> int:
        """18 Kb blocks of all ``count`` memories."""
        best = []
        for depth, width in RAMB18_SHAPES:
            # A ninth bit belongs to its byte's write enable: of no use for bytes of eight bits.
            usable = width // 9 * 8 if self.byte_writes and width >= 9 else width
            best.append(-(-self.depth // depth) * -(-self.width // usable))
        return self.count * min(best)


def block_memories(spec: MachineSpec) -> tuple[BlockMemory, ...]:
    """Every memory of a machine that belongs in block RAM; smaller ones are LUT RAM."""
    entries = 1 << max(1, (spec.depth_entries - 1).bit_length())
    return (
        BlockMemory(
            name="scratchpad",
            width=8 * spec.word_bytes,
            depth=spec.bank_words,
            count=spec.banks,
            byte_writes=True,
        ),
        *(
            BlockMemory(name=name, width=width * spec.lanes, depth=2 * entries, count=count)
            for name, width, count in _weight_widths(spec)
        ),
        BlockMemory(name="parameters", width=72, depth=spec.param_entries, count=spec.vector_lanes),
        BlockMemory(name="function tables", width=16, depth=TABLE_ENTRIES, count=spec.vector_lanes),
        BlockMemory(name="row table", width=16, depth=ROW_ENTRIES),
        BlockMemory(name="load buffer", width=spec.axi_width + 1, depth=LOAD_BEATS),
        *_row_order(spec),
        *_part_sums(spec),
    )


def _row_order(spec: MachineSpec) -> tuple[BlockMemory, ...]:
    if not spec.scatter:
        return ()
    lane = max(1, (spec.vector_lanes - 1).bit_length())
    word = 2 * min(ORDER_WORD_BITS // 2, spec.word_bytes)
    width = spec.word_bytes * (lane + 1) + word
    return (BlockMemory(name="row order", width=width, depth=spec.param_entries),)


def _part_sums(spec: MachineSpec) -> tuple[BlockMemory, ...]:
    if not spec.part_sums:
        return ()
    return (BlockMemory(name="part sums", width=32 * spec.vector_lanes, depth=spec.part_sums),)


def _weight_widths(spec: MachineSpec) -> list[tuple[str, int, int]]:
    """Name of a weight store, bits of a weight in it, and rows of that kind."""
    if not spec.classes:
        return [("weights", spec.weight_width, spec.rows)]
    return [(f"weights {kind.format}", kind.book.bits, kind.rows) for kind in spec.classes]


def block_rams(spec: MachineSpec) -> int:
    """36 Kb blocks of a machine: two of 18 Kb, of the same memory or not, are one."""
    return -(-sum(memory.half_blocks for memory in block_memories(spec)) // 2)
