"""Paths of small netlists, to the picosecond; the sums beside them are done by hand."""

from __future__ import annotations

import pytest

from flows.estimate.timing.netlist import to_design
from flows.estimate.timing.nets import plain_net, spread_net
from flows.estimate.timing.paths import longest_paths
from tests.flows.estimate.timing.small_netlists import Netlist

NET = 550
CLOCK_TO_Q, D, CE = 350, 100, 200


def slowest(netlist: Netlist, port: str = "D") -> int:
    """Picoseconds of the slowest path to a port of that name."""
    paths = longest_paths(to_design(netlist.module), plain_net)
    return next(one.ps for one in paths.endpoints if one.port == port)


def test_a_lut_between_registers_shares_the_slice_of_the_second() -> None:
    one = Netlist().register("a").add("LUT2", "l", I0="a", I1="a", O="b").register("c", "b")
    # "a" has two pins: 550 + 60.
    assert slowest(one) == CLOCK_TO_Q + 610 + 124 + D


def test_a_register_after_a_register_has_a_net_before_it() -> None:
    assert slowest(Netlist().register("a").register("b", "a")) == CLOCK_TO_Q + NET + D


def test_a_lut_with_two_sinks_has_nets_to_both() -> None:
    one = Netlist().register("a").add("LUT1", "l", I0="a", O="b")
    one.register("c", "b").register("d", "b")
    assert slowest(one) == CLOCK_TO_Q + NET + 124 + (550 + 60) + D


def test_levels_are_of_the_path_with_most_luts_and_bits_are_traced_back() -> None:
    one = Netlist().register("a").register("far")
    one.add("LUT2", "l", I0="a", I1="far", O="b").add("LUT1", "m", I0="b", O="c").register("d", "c")
    design = to_design(one.module)
    paths = longest_paths(design, plain_net)
    end = paths.endpoints[0]
    assert (end.ps, end.levels) == (CLOCK_TO_Q + 2 * (NET + 124) + D, 2)
    assert [design.names[bit] for bit in paths.trace(end.bit)] in (["a", "b", "c"],
                                                                   ["far", "b", "c"])  # fmt: skip


def test_a_carry_chain() -> None:
    one = Netlist().register("a").add("LUT1", "l", I0="a", O="s")
    chain = ["c0", "c1", "c2", "c3"]
    one.add("CARRY4", "low", CI="0", CYINIT="0", DI=["0"] * 4, S=["s", "0", "0", "0"],
            CO=chain, O=["o0", "o1", "o2", "o3"])  # fmt: skip
    one.add("CARRY4", "high", CI="c3", CYINIT="0", DI=["0"] * 4, S=["0"] * 4,
            CO=["d0", "d1", "d2", "d3"], O=["p0", "p1", "p2", "p3"])  # fmt: skip
    one.register("r", "p1")
    # S0 to CO3 508, on without a net to CI, CI to O1 334, and into the slice's own register.
    assert slowest(one) == CLOCK_TO_Q + NET + 124 + 508 + 334 + D


@pytest.mark.parametrize(
    ("port", "bit", "out", "ps"),
    [("S", 3, "o3", 227), ("DI", 1, "o2", 537), ("DI", 3, "c3", 385), ("CYINIT", 0, "o0", 482)],
)
def test_each_way_through_a_carry_cell_has_its_own_delay(
    port: str, bit: int, out: str, ps: int
) -> None:
    ports: dict[str, list[str]] = {"CI": ["0"], "CYINIT": ["0"], "DI": ["0"] * 4, "S": ["0"] * 4}
    ports[port][bit] = "a"
    outs = {k: [f"{n}{i}" for i in range(4)] for k, n in (("CO", "c"), ("O", "o"))}
    one = Netlist().register("a").add("CARRY4", "carry", **ports, **outs).register("r", out)
    assert slowest(one) == CLOCK_TO_Q + NET + ps + D


def test_a_carry_out_that_leaves_the_chain_has_a_net() -> None:
    one = Netlist().register("a")
    one.add("CARRY4", "carry", CI="0", CYINIT="a", DI=["0"] * 4, S=["0"] * 4,
            CO=["c0", "c1", "c2", "c3"], O=["o0", "o1", "o2", "o3"])  # fmt: skip
    one.add("LUT1", "l", I0="c3", O="b").register("r", "b")
    assert slowest(one) == CLOCK_TO_Q + NET + 580 + NET + 124 + D


def test_wide_multiplexers() -> None:
    one = Netlist().register("a").register("s")
    for name in ("p", "q", "t", "u"):
        one.add("LUT1", f"l{name}", I0="a", O=name)
    one.add("MUXF7", "x", I0="p", I1="q", S="0", O="v")
    one.add("MUXF7", "y", I0="t", I1="u", S="0", O="w")
    one.add("MUXF8", "z", I0="v", I1="w", S="s", O="m").register("r", "m")
    # "a" has four pins; MUXF7 from I1 223, MUXF8 from I0 104, all within a slice.
    data = CLOCK_TO_Q + (550 + 120) + 124 + 223 + 104 + D
    select = CLOCK_TO_Q + NET + 273 + D
    assert slowest(one) == max(data, select) == data


@pytest.mark.parametrize(("registered", "launch"), [(0, 2300), (1, 880)])
@pytest.mark.parametrize(("mreg", "setup"), [(1, 1930), (0, 3841 - 300)])
def test_a_block_ram_before_a_dsp_slice(
    registered: int, launch: int, mreg: int, setup: int
) -> None:
    one = Netlist().add("RAMB36E1", "ram", {"DOA_REG": registered, "RAM_MODE": "TDP"},
                        CLKARDCLK="clk", ADDRARDADDR=["0"], DOADO=["d"])  # fmt: skip
    registers = {"AREG": 0, "BREG": 0, "MREG": mreg, "PREG": 1}
    one.add("DSP48E1", "dsp", registers, CLK="clk", A=["d"], B=["0"], P=["p"])
    assert slowest(one, "A") == launch + NET + setup


def test_one_read_port_of_a_simple_block_ram_has_one_register() -> None:
    one = Netlist().add("RAMB18E1", "ram", {"DOA_REG": 1, "RAM_MODE": "SDP"},
                        CLKARDCLK="clk", DOBDO=["d"]).register("r", "d")  # fmt: skip
    assert slowest(one) == 880 + NET + D


@pytest.mark.parametrize(
    ("registers", "p_launch", "a_setup"),
    [
        ({"AREG": 1, "BREG": 1, "MREG": 1, "PREG": 1}, 434, 450),
        ({"AREG": 0, "BREG": 0, "MREG": 1, "PREG": 1}, 434, 1930),
        ({"AREG": 0, "BREG": 0, "MREG": 0, "PREG": 1}, 434, 3841 - 300),
        ({"AREG": 1, "BREG": 1, "MREG": 1, "PREG": 0}, 2305, 450),
        ({"AREG": 0, "BREG": 0, "MREG": 1, "PREG": 0}, 2305, 1930),
        ({"AREG": 1, "BREG": 1, "MREG": 0, "PREG": 0}, 4009, 450),
        ({"AREG": 0, "MREG": 1, "PREG": 1, "USE_DPORT": "TRUE"}, 434, 1930 + 1360),
        ({}, 434, 450),
    ],
)
def test_registers_of_a_dsp_slice(
    registers: dict[str, int | str], p_launch: int, a_setup: int
) -> None:
    """All of them are in use unless a parameter says otherwise."""
    one = Netlist().register("a")
    one.add("DSP48E1", "dsp", registers, CLK="clk", A=["a"], B=["0"], P=["p"]).register("r", "p")
    assert slowest(one, "A") == CLOCK_TO_Q + NET + a_setup
    assert slowest(one) == p_launch + NET + D


def test_a_dsp_slice_without_registers_is_passed_through() -> None:
    none: dict[str, int | str] = {"AREG": 0, "BREG": 0, "CREG": 0, "MREG": 0, "PREG": 0}
    one = Netlist().register("a")
    one.add("DSP48E1", "first", none, CLK="clk", A=["a", "0"], PCOUT=["x", "y"])
    one.add("DSP48E1", "second", none, CLK="clk", PCIN=["x", "y"], P=["p", "q"])
    one.register("r", "q")
    # A to PCOUT 3,841 + 190, no net in the cascade, PCIN to P 1,500.
    assert slowest(one) == CLOCK_TO_Q + NET + 4031 + 1500 + NET + D


def test_lut_memory_is_read_at_once_and_written_at_the_edge() -> None:
    one = Netlist().register("w").register("ra").register("din")
    one.add("RAM32M", "ram", WCLK="clk", WE="w", DIA=["din"], ADDRD=["w"], ADDRA=["ra"], DOA=["d"])
    one.register("r", "d")
    assert slowest(one) == max(CLOCK_TO_Q + NET + 150, 1100) + NET + D
    # "w" has two pins.
    assert slowest(one, "WE") == slowest(one, "ADDRD") == CLOCK_TO_Q + 610 + 500
    assert slowest(one, "DIA") == CLOCK_TO_Q + NET + 500
    paths = longest_paths(to_design(one.module), plain_net)
    assert "ADDRA" not in {end.port for end in paths.endpoints}


def test_an_address_reads_its_own_output_only() -> None:
    one = Netlist().register("a").register("b")
    one.add("LUT1", "l", I0="a", O="late").add("LUT1", "m", I0="late", O="later")
    one.add("RAM64X1D", "ram", WCLK="clk", WE="0", D="0", A0="0", DPRA0="later", DPO="d", SPO="s")
    one.register("r", "d").register("t", "s")
    design = to_design(one.module)
    ends = {design.names[e.bit]: e.ps for e in longest_paths(design, plain_net).endpoints}
    assert ends["d"] == CLOCK_TO_Q + 2 * (NET + 124) + NET + 150 + NET + D
    assert ends["s"] == 1100 + NET + D


def test_a_clock_enable_of_many_registers() -> None:
    one = Netlist().register("go")
    for index in range(1024):
        one.register(f"r{index}", CE="go")
    paths = longest_paths(to_design(one.module), plain_net)
    assert [e.ps for e in paths.endpoints] == [CLOCK_TO_Q + (550 + 600) + CE] * 1024
    # sqrt(1024) is 24 more than sqrt(64).
    far = longest_paths(to_design(one.module), spread_net)
    assert far.endpoints[-1].ps == CLOCK_TO_Q + (550 + 600 + 24 * 38) + CE


def test_nets_by_fan_out() -> None:
    assert [plain_net(n) for n in (0, 1, 2, 8, 64)] == [550, 550, 610, 730, 910]
    assert [spread_net(n) for n in (1, 2, 64)] == [550, 610, 910]
    assert spread_net(65) > plain_net(65)
    # Where the coefficient is from: the reset of a whole machine.
    assert 3000 < spread_net(15_691) - plain_net(15_691) < 6000
    more = [spread_net(n) for n in range(1, 5000)]
    assert more == sorted(more)


def test_ports_of_the_top_and_clocks_begin_no_path() -> None:
    one = Netlist().add("LUT1", "l", I0="port", O="b").register("r", "b")
    one.register("clk", "r").register("s", "clk")
    paths = longest_paths(to_design(one.module), plain_net)
    assert [(end.ps, end.port) for end in paths.endpoints] == [(CLOCK_TO_Q + NET + D, "D")]


def test_a_loop_and_an_unknown_cell_are_refused() -> None:
    loop = Netlist().add("LUT1", "l", I0="a", O="b").add("LUT1", "m", I0="b", O="a")
    with pytest.raises(ValueError, match=r"^netlist must have no combinational loop$"):
        longest_paths(to_design(loop.module))
    other = Netlist().add("CARRY8", "l", CI="a", O="b")
    with pytest.raises(ValueError, match=r"^cell must be one of the 7 series .*, not CARRY8$"):
        longest_paths(to_design(other.module))
