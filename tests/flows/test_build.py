import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from flows.atomic import read_manifest
from flows.boards import find
from flows.build import build, load_built
from flows.cli import main
from flows.errors import UserError
from tests.flows.boards.test_project import yosys

NETWORK = Path(__file__).parents[2] / "examples" / "fashion_mnist" / "resnet_int8.onnx"
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
        "from flows.build import build; build(Path(sys.argv[1]), find(sys.argv[2]),"
        "Path(sys.argv[3]))"
    )
    command = [sys.executable, "-c", program, str(NETWORK), BOARD.name, str(tmp_path / "again")]
    subprocess.run(command, env={"PYTHONHASHSEED": "77", "PATH": "/usr/bin:/bin"}, check=True)
    assert contents(tmp_path / "again") == contents(built)


def test_nothing_of_this_machine_is_in_it(built: Path) -> None:
    for name, content in contents(built).items():
        for path in (str(Path.home()), str(built.parent), str(Path(__file__).parents[2])):
            if len(path) > 5 or name.endswith((".v", ".json", ".tcl", ".xdc", ".h")):
                assert path.encode() not in content, f"{path} in {name}"


def test_it_can_be_loaded(built: Path) -> None:
    loaded = load_built(built)
    assert loaded.board == BOARD
    assert loaded.mapped.image.tobytes() == (built / "memory.bin").read_bytes()
    assert "module rowmac" in loaded.verilog


@pytest.mark.parametrize("name", ["memory.bin", "rowmac.v", "network.onnx"])
def test_a_changed_file_is_refused(built: Path, name: str) -> None:
    path = built / name
    before = path.read_bytes()
    try:
        path.write_bytes(before[:-9] + bytes([before[-9] ^ 1]) + before[-8:])
        with pytest.raises(UserError, match=f"{name} must be as it was built; build the folder"):
            load_built(built)
        path.unlink()
        with pytest.raises(UserError, match=f"cannot read .*{name}: No such file"):
            load_built(built)
    finally:
        path.write_bytes(before)


def edited(manifest: dict[str, Any], place: str, value: object) -> None:
    """Change an entry, ``a/b/c``; ``None`` removes it."""
    *path, last = place.split("/")
    for name in path:
        manifest = manifest[name]
    if value is None:
        del manifest[last]
    else:
        manifest[last] = value


EDITS = [
    ("files", None),
    ("files", []),
    ("files/rowmac.v", None),
    ("files/top.tcl", None),
    ("files/secret", "0"),
    ("network", None),
    ("network", "name"),
    ("network/name", None),
    ("network/input/scale", 0.5),
    ("network/macs", "many"),
    ("board", None),
    ("board/name", None),
    ("board/name", ["arty-z7-20"]),
    ("board/name", "arty-z7-21"),
    ("board/name", "zcu102"),
    ("board/clock_mhz", 500.0),
    ("machine", []),
    ("machine/spec", None),
    ("machine/spec", [1]),
    ("machine/spec/lanes", None),
    ("machine/spec/lanes", "eight"),
    ("machine/spec/lanes", 0),
    ("machine/spec/colour", 1),
    ("machine/macs_per_cycle", 1),
    ("windows/input/bytes", 4),
    ("bitstream_command", None),
]


@pytest.mark.parametrize(("place", "value"), EDITS)
def test_an_edited_manifest_is_refused(
    built: Path, tmp_path: Path, capsys: Capture, place: str, value: object
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    edited(manifest, place, value)
    path.write_text(json.dumps(manifest))
    assert main(["simulate", str(folder), "--inputs", "absent.npz"]) == 2
    line = f"rowmac: {path} must be as it was built; build the folder again\n"
    assert capsys.readouterr().err == line


def test_another_machine_in_the_manifest_is_refused(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    edited(manifest, "machine/spec/depth", 1024)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="memory.bin must be what the network maps to"):
        load_built(folder)


def test_a_file_without_its_checksum_is_not_taken(built: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(built, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    edited(manifest, "files/rowmac.v", None)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "rowmac.v").write_text("module rowmac; endmodule")
    with pytest.raises(UserError, match=r"manifest.json must be as it was built"):
        load_built(folder)


def float_network() -> bytes:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], np.eye(4).ravel())
    shape = [1, 4]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "float",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def dynamic_network() -> bytes:
    model = onnx.load(NETWORK)
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    return bytes(model.SerializeToString())


def unknown_operator() -> bytes:
    model = onnx.load(NETWORK)
    next(node for node in model.graph.node if node.op_type == "Conv").op_type = "Det"
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "content",
    [b"", b"no network", NETWORK.read_bytes()[:100_000], float_network, dynamic_network,
     unknown_operator],
    ids=["empty", "text", "truncated", "float", "dynamic", "operator"],
)  # fmt: skip
def test_refused_networks_leave_nothing(content: object, tmp_path: Path, capsys: Capture) -> None:
    network = tmp_path / "in" / "bad.onnx"
    network.parent.mkdir()
    network.write_bytes(content() if callable(content) else content)
    output = tmp_path / "out"
    assert main(["build", str(network), "--board", BOARD.name, "-o", str(output)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"rowmac: {network}: ")
    assert said.err.count("\n") == 1
    assert len(said.err) < 700
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_absent_network(tmp_path: Path, capsys: Capture) -> None:
    network = tmp_path / "absent.onnx"
    output = tmp_path / "out"
    assert main(["build", str(network), "--board", BOARD.name, "-o", str(output)]) == 2
    assert capsys.readouterr().err == f"rowmac: cannot read {network}: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []


def test_foreign_output_folder(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "precious").write_text("mine")
    assert main(["build", str(NETWORK), "--board", BOARD.name, "-o", str(tmp_path)]) == 2
    line = f"rowmac: output folder must be new or one that rowmac made, not {tmp_path}\n"
    assert capsys.readouterr().err == line
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    program = "import sys; from flows.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "build", str(NETWORK)]
    command += ["--board", BOARD.name, "-o", str(tmp_path / "out")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        begin = time.monotonic()
        while not list(tmp_path.iterdir()):
            assert time.monotonic() - begin < 60
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "rowmac: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_json_is_the_manifest(tmp_path: Path, capsys: Capture) -> None:
    output = tmp_path / "out"
    arguments = ["build", str(NETWORK), "--board", "zcu102", "-o", str(output), "--json"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == read_manifest(output)
    assert said.err == ""
    assert json.loads(said.out)["machine"]["spec"]["axi_width"] == 128
