import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.boards import find
from flows.cli import main
from flows.out_folder.build import build, load_built
from flows.work.atomic import read_manifest
from tests.flows.boards.test_project import yosys

pytestmark = pytest.mark.slow

NETWORK = Path(__file__).parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx"
BOARD = find("arty-z7-20")
FILES = {
    "address_map.json",
    "manifest.json",
    "memory.bin",
    "network.onnx",
    "rowmac.v",
    "rowmac_map.h",
    "top.tcl",
    "top.v",
    "top.xdc",
}
Capture = pytest.CaptureFixture[str]
RE = re.DOTALL | re.MULTILINE


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build") / "out"
    build(NETWORK, BOARD, folder)
    return folder


def test_files(built: Path) -> None:
    assert contents(built).keys() == FILES
    manifest = read_manifest(built)
    assert manifest["files"].keys() == FILES - {"manifest.json"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((built / name).read_bytes()).hexdigest() == digest, name
    assert manifest["board"]["name"] == "arty-z7-20"
    assert manifest["network"]["name"] == "resnet_int8"
    assert manifest["network"]["input"]["shape"] == [1, 1, 28, 28]
    assert manifest["machine"]["macs_per_cycle"] >= 128
    assert manifest["program"]["image_bytes"] == (built / "memory.bin").stat().st_size
    assert manifest["bitstream_command"] == "vivado -mode batch -source top.tcl"


def test_the_top_module_fits_the_machine(built: Path) -> None:
    """Yosys joins them: every port exists, and no width has to be changed."""
    said = yosys(
        built,
        "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v; read_verilog top.v; "
        "read_verilog -lib rowmac.v; hierarchy -check -top top",
    )
    assert "Resizing cell port" not in said
    machine = (built / "rowmac.v").read_text().split("module rowmac(")[1].split(");")[0]
    ports = {name.strip() for name in machine.replace("\n", "").split(",")}
    instance = re.search(r"^  rowmac rowmac \((.*?)\n  \);", (built / "top.v").read_text(), RE)
    assert instance
    open_ports = ports - set(re.findall(r"\.(\w+)\(", instance.group(1)))
    assert open_ports == {"event_start", "event_done", "event_tag"}


def test_windows_are_in_the_boards_memory_and_apart(built: Path) -> None:
    windows = read_manifest(built)["windows"]
    at = BOARD.memory_base
    for window in windows.values():
        assert int(window["address"], 16) >= at
        at = int(window["address"], 16) + window["bytes"]
    assert at <= BOARD.memory_base + BOARD.memory_bytes


def test_the_same_again_byte_by_byte(built: Path, tmp_path: Path) -> None:
    """In another process, another folder, with other hashes of strings."""
    program = (
        "import sys; from pathlib import Path; from flows.boards import find;"
        "from flows.out_folder.build import build; build(Path(sys.argv[1]), find(sys.argv[2]),"
        "Path(sys.argv[3]))"
    )
    command = [sys.executable, "-c", program, str(NETWORK), BOARD.name, str(tmp_path / "again")]
    subprocess.run(command, env={"PYTHONHASHSEED": "77", "PATH": "/usr/bin:/bin"}, check=True)
    again, first = contents(tmp_path / "again"), contents(built)
    # A commit between the two builds changes the version, and nothing else.
    for files in (again, first):
        made_by = json.loads(files["manifest.json"])["version"]
        files["manifest.json"] = files["manifest.json"].replace(made_by.encode(), b"VERSION")
    assert again == first


def test_nothing_of_this_machine_is_in_it(built: Path) -> None:
    for name, content in contents(built).items():
        for path in (str(Path.home()), str(built.parent), str(Path(__file__).parents[3])):
            if len(path) > 5 or name.endswith((".v", ".json", ".tcl", ".xdc", ".h")):
                assert path.encode() not in content, f"{path} in {name}"


def test_it_can_be_loaded(built: Path) -> None:
    loaded = load_built(built)
    assert loaded.board == BOARD
    assert loaded.mapped.image.tobytes() == (built / "memory.bin").read_bytes()
    assert "module rowmac" in loaded.verilog


def test_json_is_the_manifest(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out"
    arguments = ["build", str(NETWORK), "--board", "zcu102", "-o", str(output), "--json"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == read_manifest(output)
    assert said.err == ""
    assert json.loads(said.out)["machine"]["spec"]["axi_width"] == 128
