"""The whole accelerator: control port, memory port, five units, scratchpad, engine."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import Component, Out, Signature, connect

from hdl.axi.read_arbiter import ReadArbiter
from hdl.axi.signature import AxiLiteSignature, AxiReadSignature, AxiWriteSignature
from hdl.cim.beside import MacroEngine
from hdl.control.program_fetch import ProgramFetch
from hdl.control.registers import ControlRegisters
from hdl.control.reset_tree import ResetTree
from hdl.control.sequencer import Sequencer
from hdl.engine.digital_array import DigitalArray
from hdl.engine.row_array import RowArray
from hdl.memory.scratchpad import Scratchpad
from hdl.units.load_unit import LoadUnit
from hdl.units.matrix_unit import MatrixUnit
from hdl.units.store_unit import StoreUnit
from hdl.units.weight_unit import WeightUnit
from hdl.vector.vector_unit import VectorUnit
from models.machine.spec import MachineSpec
from models.machine.units import UNIT_NAMES, UNITS
from models.program.registers import CONTROL_UNIT, ErrorCode

SPLIT = {"vector": 1, "engine": 2}
"""Levels of submodules that have copies of the reset of their own, in parts of many registers."""


def _flat(prefix: str, signature: Signature) -> dict[str, object]:
    """Flatten a bus to members with AMBA names: the Verilog port is ``m_axi_araddr``."""
    return {f"{prefix}_{name}": member for name, member in signature.members.items()}


def _engine(spec: MachineSpec, family: str) -> Component:
    if spec.macro is not None:
        return MacroEngine(spec)
    return RowArray(spec, family) if spec.classes else DigitalArray(spec)


class Machine(Component):
    """An accelerator that runs programs of its spec (see docs/architecture.md).

    Ports: ``m_axi_*`` AXI4 master, ``s_axil_*`` AXI4-Lite slave, ``interrupt``, and for tracing
    ``event_start`` and ``event_done`` (one bit per unit, high for one cycle) with ``event_tag``
    (16 bits per unit: tag of the descriptor that starts or is done).

    Parameters
    ----------
    spec : MachineSpec
    family : str
        Primitives of the row classes: ``generic`` (plain Verilog), ``xc7`` or ``xcup``.
    """

    def __init__(self, spec: MachineSpec, family: str = "generic") -> None:
        self.spec = spec
        self.family = family
        super().__init__(
            {
                **_flat("m_axi", AxiReadSignature(spec.axi_width)),
                **_flat("m_axi", AxiWriteSignature(spec.axi_width)),
                **_flat("s_axil", AxiLiteSignature()),
                "interrupt": Out(1),
                "event_start": Out(UNITS),
                "event_done": Out(UNITS),
                "event_tag": Out(16 * UNITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        control = ControlRegisters(spec)
        m.submodules.control = control
        # A start resets all other parts, so that no state survives a failed run.
        tree = ResetTree(control.start, self.family)
        fetch, sequencer = ProgramFetch(spec), Sequencer(spec)
        arbiter = ReadArbiter(spec.axi_width, clients=2)
        load, weight, matrix = LoadUnit(spec), WeightUnit(spec), MatrixUnit(spec)
        vector, store = VectorUnit(spec), StoreUnit(spec)
        scratchpad = Scratchpad(spec, readers=4, writers=2)
        engine = _engine(spec, self.family)
        parts = {
            "fetch": fetch,
            "sequencer": sequencer,
            "arbiter": arbiter,
            "load": load,
            "weight": weight,
            "matrix": matrix,
            "vector": vector,
            "store": store,
            "scratchpad": scratchpad,
            "engine": engine,
        }
        for name, part in parts.items():
            m.submodules[name] = tree.part(part, platform, SPLIT.get(name, 0))
        m.submodules.reset = tree

        units = [parts[name] for name in UNIT_NAMES]
        for name, component in zip(UNIT_NAMES, units, strict=True):
            port, own = getattr(sequencer, f"unit_{name}"), component.unit
            connect(m, port.descriptor, own.descriptor)
            m.d.comb += [port.stall.eq(own.stall), port.error.eq(own.error)]
            # Registered: the units' end conditions would lengthen the token counters' path.
            m.d.sync += port.done.eq(own.done)
        connect(m, fetch.o, sequencer.i)
        connect(m, fetch.memory, arbiter.client[0])
        connect(m, load.memory, arbiter.client[1])
        connect(m, load.o_words, weight.i_words)
        connect(m, weight.o_weights, engine.i_weights)
        connect(m, matrix.o_acts, engine.i_acts)
        connect(m, engine.o_accs, vector.i_accs)
        if spec.macro is not None:
            connect(m, load.o_items, engine.i_items)
            m.d.comb += engine.run.eq(control.run)
        for index, port in enumerate((vector.read, matrix.port, weight.port, store.port)):
            connect(m, port, scratchpad.read[index])
        for index, port in enumerate((vector.write, load.port)):
            connect(m, port, scratchpad.write[index])
        m.d.comb += [
            vector.params.eq(load.params),
            vector.order.eq(load.order),
            vector.tables.eq(load.tables),
        ]
        for component in (load, store, fetch):
            m.d.comb += component.windows.eq(control.windows)

        failed = Signal(4)
        m.d.sync += sequencer.go.eq(control.running & ~control.halt)
        m.d.comb += [
            fetch.start.eq(control.begin),
            fetch.offset.eq(control.program),
            fetch.stop.eq(control.halt),
            arbiter.halt.eq(control.halt),
            store.halt.eq(control.halt),
            control.finished.eq(sequencer.finished),
            control.quiet.eq(arbiter.idle & store.idle),
            control.active.eq(sequencer.active),
            control.stall.eq(Cat(u.unit.stall for u in units)),
            control.tags.eq(sequencer.tag),
            failed.eq(Mux(fetch.error != ErrorCode.NONE, fetch.error, sequencer.error)),
        ]
        with m.If(scratchpad.out_of_bounds):
            m.d.comb += failed.eq(ErrorCode.SCRATCHPAD_BOUNDS)
        for index, component in enumerate(units):
            m.d.comb += control.unit_errors[index].eq(component.unit.error)
        m.d.comb += control.unit_errors[CONTROL_UNIT].eq(failed)

        self._connect_ports(m, control, arbiter, store)
        done = Cat(getattr(sequencer, f"unit_{name}").done for name in UNIT_NAMES)
        # Registered, as the tags are.
        m.d.sync += [
            self.event_start.eq(sequencer.start),
            self.event_done.eq(done & sequencer.active),
        ]
        m.d.comb += [
            self.event_tag.eq(sequencer.noted),
            self.interrupt.eq(control.interrupt),
        ]
        return m

    def _connect_ports(
        self, m: Module, control: ControlRegisters, arbiter: ReadArbiter, store: StoreUnit
    ) -> None:
        for prefix, bundle in (
            ("m_axi", arbiter.axi),
            ("m_axi", store.axi),
            ("s_axil", control.bus),
        ):
            for name, member in bundle.signature.members.items():
                outer, inner = getattr(self, f"{prefix}_{name}"), getattr(bundle, name)
                if member.flow == Out:
                    m.d.comb += outer.eq(inner)
                else:
                    m.d.comb += inner.eq(outer)
