"""The whole macro: streams in, results out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream
from amaranth.lib.wiring import Component, In, Out, Signature, connect, flipped

from hdl.cim.core import Core
from hdl.cim.join import Join
from hdl.cim.shape import MacroShape, Write
from hdl.cim.tables import Tables
from models.cim.die import Die


def result_layout(shape: MacroShape) -> data.StructLayout:
    """A result; ``last`` marks the last result of a vector."""
    return data.StructLayout({"value": shape.value, "last": 1})


class MacroSignature(Signature):
    """Ports of the macro, for the emulation and for a real one.

    Members
    -------
    i_config : stream of :meth:`~hdl.cim.shape.MacroShape.config`
        Tables and registers, accepted only while no vector of the previous layer is in progress;
        the record of a layer starts its vectors.
    i_weights : stream of :meth:`~hdl.cim.shape.MacroShape.cells`
        Fills a bank; waits while all banks are in use.
    i_acts : stream of :meth:`~hdl.cim.shape.MacroShape.acts`
        Vectors; element ``k`` is multiplied by unit ``k mod depth`` of tile ``k // depth``.
    o : stream of :func:`result_layout`
        Products, output by output.
    """

    def __init__(self, shape: MacroShape) -> None:
        super().__init__(
            {
                "i_config": In(stream.Signature(shape.config())),
                "i_weights": In(stream.Signature(shape.cells())),
                "i_acts": In(stream.Signature(shape.acts())),
                "o": Out(stream.Signature(result_layout(shape))),
            }
        )


class Macro(Component):
    """Simulation model of a charge-domain macro.

    Bit-exact to :func:`models.cim.golden.macro.dot_product`.

    Throughput: a slice of a tile of ``n`` beats takes ``max(n, adc_bits + 1)`` cycles, or one cycle
    if it is skipped; results leave at one column per cycle (``slices * outputs`` cycles per
    vector), while the next vector is computed. Latency from the last entry of a vector's last slice
    to its first result is ``late + slices + join_latency`` cycles, with
    :func:`hdl.cim.column_path.late` and :func:`hdl.cim.join.join_latency`.
    :func:`hdl.cim.timing.cycles` gives the exact count.

    The clock enable of all but the output path is a register, computed one cycle ahead: a vector
    waits at its totals until the output path is free. Every column has a copy of it.

    Parameters
    ----------
    shape : MacroShape
    die : Die, optional
        Its tables are constants, and ``i_config`` writes none of them; without it, ``i_config``
        must load them.
    """

    def __init__(self, shape: MacroShape, die: Die | None = None) -> None:
        if die is not None and die.spec != shape.spec:
            raise ValueError("die must be of the macro's spec, not of another one")
        self.shape = shape
        self.die = die
        super().__init__(MacroSignature(shape))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape = self.shape
        core = Core(shape, Tables.of(shape, self.die))
        m.submodules.core = core
        m.submodules.join = join = Join(shape)
        arrived, arrives = Signal(), Signal()
        # Each copy of the enable depends on itself, so that synthesis does not merge them.
        copies = [Signal(init=1, name=f"go{i}") for i in range(1 + len(core.go))]
        go = copies[0]
        for copy in copies:
            m.d.sync += copy.eq(join.free | ~Mux(copy, arrives, arrived))
        # Vectors under way, and whether there are none.
        under_way, idle = Signal(32), Signal(init=1)
        layer = Signal(shape.layer())
        config = self.i_config
        m.d.comb += [
            core.go.eq(Cat(copies[1:])),
            arrives.eq(core.coming.valid & core.coming.final),
            arrived.eq(core.event.valid & core.event.final),
            join.load.eq(arrived & go),
            join.total.eq(core.total),
            join.factors.eq(core.factors),
            join.slices.eq(layer.slices),
            join.outputs.eq(layer.outputs),
            join.step.eq(layer.step),
            join.offset.eq(layer.offset),
            core.zero.eq(layer.zero),
            core.relu.eq(layer.relu),
            config.ready.eq(idle),
            core.config.eq(config.payload),
            core.write.eq(config.valid & config.ready),
        ]
        for outer, inner in ((self.i_weights, core.i_weights), (self.i_acts, core.i_acts)):
            m.d.comb += [
                inner.valid.eq(outer.valid),
                inner.payload.eq(outer.payload),
                outer.ready.eq(inner.ready & go),
            ]
        opening = data.View(shape.layer(), config.payload.data[: shape.layer().size])
        with m.If(core.write & (config.payload.kind == Write.LAYER)):
            m.d.sync += [layer.eq(opening), under_way.eq(opening.vectors)]
            m.d.sync += idle.eq(opening.vectors == 0)
        with m.Elif(join.done):
            m.d.sync += [under_way.eq(under_way - 1), idle.eq(under_way == 1)]
        connect(m, join.o, flipped(self.o))
        return m
