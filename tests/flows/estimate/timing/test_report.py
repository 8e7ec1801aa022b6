"""What a report says of paths: the floor, how many are over, units, names."""

from __future__ import annotations

import pytest

from flows.estimate.timing.machine_timing import netlist_timing
from flows.estimate.timing.report import floor_text, unit_of
from tests.flows.estimate.timing.small_netlists import Netlist

LUT_PS, FIRST_PS, LAST_PS = 550 + 124, 350, 100


def chain(netlist: Netlist, begin: str, end: str, luts: int) -> int:
    """Registers with so many LUTs between them; picoseconds."""
    netlist.register(begin)
    net = begin
    for index in range(luts):
        out = f"${end}{index}"
        netlist.add("LUT1", f"$lut{out}", I0=net, O=out)
        net = out
    netlist.register(end, net)
    return FIRST_PS + luts * LUT_PS + LAST_PS


def units_of_three() -> tuple[Netlist, list[int]]:
    one = Netlist()
    paths = [("load.a", "store.b2", 15), ("load.c", "vector.lane3.d", 9), ("load.e", "f", 3)]
    return one, [chain(one, *path) for path in paths]


def test_the_floor_and_what_is_over() -> None:
    one, (first, second, third) = units_of_three()
    found = netlist_timing(one.module)
    assert found["floor_ns"] == first / 1000
    assert found["floor_mhz"] == round(1e6 / first, 2)
    assert (found["endpoints"], found["levels"]) == (3, 15)
    assert third < 5000 < second < 7000 < 10_000 < first
    assert found["over"] == {"10": 1, "7": 1, "5": 2}


def test_the_slowest_paths_are_told_once_by_name() -> None:
    one, (first, second, third) = units_of_three()
    chain(one, "load.a7", "store.b9", 14)
    worst = netlist_timing(one.module)["worst"]
    assert worst == [
        {"ns": first / 1000, "from": "load.a", "to": "store.b2", "unit": "store"},
        {"ns": (first - LUT_PS) / 1000, "from": "load.a7", "to": "store.b9", "unit": "store"},
        {"ns": second / 1000, "from": "load.c", "to": "vector.lane3.d", "unit": "vector"},
        {"ns": third / 1000, "from": "load.e", "to": "f", "unit": "top"},
    ]
    chain(one, "load.a8", "store.b4", 13)
    assert netlist_timing(one.module)["worst"] == worst


def test_units_have_figures_of_their_own() -> None:
    one, (first, second, third) = units_of_three()
    units = netlist_timing(one.module)["units"]
    assert list(units) == ["store", "vector", "top"]
    assert [unit["floor_ns"] for unit in units.values()] == [first / 1000, second / 1000,
                                                             third / 1000]  # fmt: skip
    assert [unit["levels"] for unit in units.values()] == [15, 9, 3]
    assert sum(unit["endpoints"] for unit in units.values()) == 3


def test_pins_other_than_data_are_named() -> None:
    one = Netlist().register("load.go").register("store.b", CE="load.go")
    one.add("RAMB36E1", "scratchpad.bank0", CLKARDCLK="clk", ENARDEN=["load.go"], DOADO=["v"])
    (enable, clock_enable) = netlist_timing(one.module)["worst"]
    assert (enable["to"], enable["unit"]) == ("scratchpad.bank0.ENARDEN", "scratchpad")
    assert (clock_enable["to"], clock_enable["unit"]) == ("store.b.CE", "store")


def test_a_reset_of_everything_does_not_fill_the_list() -> None:
    one = Netlist().register("control.start").register("load.a", "control.start")
    for name in ("load.x", "store.y", "vector.z", "weight.w"):
        one.register(name, R="control.start")
    one.register("load.b", "load.a")
    worst = netlist_timing(one.module)["worst"]
    assert [path["from"] for path in worst] == ["control.start"] * 3 + ["load.a"]
    assert [path["to"] for path in worst] == ["load.x.R", "store.y.R", "vector.z.R", "load.b"]


def test_a_name_within_a_unit_goes_before_one_of_the_top() -> None:
    one = Netlist().register("m_axi_len").register("r", "m_axi_len")
    module = one.module
    module["netnames"]["store.length"] = module["netnames"]["m_axi_len"]
    module["netnames"]["$auto$x.y"] = module["netnames"]["m_axi_len"] | {"hide_name": 1}
    (path,) = netlist_timing(module)["worst"]
    assert path["from"] == "store.length"


@pytest.mark.parametrize(
    ("name", "unit"), [("vector.lane0.x", "vector"), ("running", "top"), ("$auto$ff.cc:1", "top")]
)
def test_unit_of_a_name(name: str, unit: str) -> None:
    assert unit_of(name) == unit


def test_a_floor_is_no_promise() -> None:
    missed = floor_text(12.33, 100)
    assert missed == (
        "static floor 12.33 ns = 81 MHz: the clock of 100 MHz is NOT met even with ideal placement"
    )
    kept = floor_text(8.0, 125)
    assert kept.endswith("with ideal placement: the clock of 125 MHz may be met")
    assert "NOT met" in floor_text(8.001, 125)


def test_what_cannot_be_timed_is_told() -> None:
    with pytest.raises(ValueError, match="^netlist must have a path from a register"):
        netlist_timing(Netlist().register("a").module)
    with pytest.raises(ValueError, match="^nets must be one of spread, plain, not 'none'$"):
        netlist_timing(Netlist().module, "none")
