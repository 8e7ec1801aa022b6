"""Translates the items of a program to the macro's configuration stream."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out

from hdl.cim.macro_engine import config_layout
from hdl.cim.shape import MacroShape, Write
from hdl.descriptors import struct
from models.machine.spec import MachineSpec
from models.program.engine_items import ITEM_BYTES, ITEMS, KIND, Item


class Configure(Component):
    """Combinational translation of items; window items are held for the tile items that follow.

    Latency none, throughput one item per cycle.

    Attributes
    ----------
    run : in
        Number of the run, which seeds the noise.
    i : stream of items in the format of memory (:mod:`models.program.engine_items`)
    o : stream of :func:`~hdl.cim.macro_engine.config_layout`
    """

    def __init__(self, spec: MachineSpec, shape: MacroShape, slices: int) -> None:
        self.spec, self.shape, self.slices = spec, shape, slices
        super().__init__(
            {
                "run": In(32),
                "i": In(stream.Signature(8 * ITEM_BYTES)),
                "o": Out(stream.Signature(config_layout(spec, shape))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape, item = self.shape, self.o.payload.item
        kind = self.i.payload[: KIND.bits]
        body = self.i.payload[KIND.bits :]
        fields = {k: self._fields(body, k) for k in Item}
        register, window, tile = fields[Item.REGISTER], fields[Item.WINDOW], fields[Item.TILE]
        is_window = kind == Item.WINDOW
        is_tile = kind == Item.TILE
        skips = shape.spec.zero_skip
        names = ITEMS[Item.WINDOW] if skips else ("step", "offset")
        held = Signal(struct({n: ITEMS[Item.WINDOW][n] for n in names}))
        m.d.comb += [
            self.o.valid.eq(self.i.valid & ~is_window),
            self.i.ready.eq(self.o.ready | is_window),
        ]
        with m.If(self.i.valid & is_window):
            m.d.sync += [held[name].eq(window[name]) for name in names]
        layer = Signal(shape.layer())
        m.d.comb += [
            layer.vectors.eq(tile.vectors),
            layer.tokens.eq(tile.tokens),
            layer.run.eq(self.run),
            layer.first.eq(tile.first),
            layer.hop.eq(tile.hop),
            layer.slices.eq(self.slices - 1),
            layer.outputs.eq(self.spec.rows - 1),
            layer.step.eq(held.step),
            layer.offset.eq(held.offset),
            layer.zero.eq(held.zero if skips else 0),
            layer.relu.eq(tile.relu if shape.spec.relu else 0),
            self.o.payload.offset.eq(tile.act_offset),
            item.column.eq(register.column),
            item.index.eq(register.index),
        ]
        if skips:
            m.d.comb += [
                self.o.payload.period.eq(held.period),
                self.o.payload.valid.eq(held.valid),
            ]
        kinds = {Item.REGISTER: Write.REGISTER, Item.BOW: Write.BOW, Item.TILE: Write.LAYER}
        with m.Switch(kind):
            for own, write in kinds.items():
                with m.Case(own):
                    m.d.comb += item.kind.eq(write)
        value = Signal(signed(len(item.data)))
        m.d.comb += [
            value.eq(register.value),
            item.data.eq(Mux(is_tile, layer.as_value(), value)),
        ]
        return m

    def _fields(self, body: object, kind: Item) -> data.View:
        layout = struct(ITEMS[kind])
        return data.View(layout, Cat(body)[: layout.size])
