"""What cannot be built: one line, exit status 2, and nothing left behind."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from flows.boards import find
from flows.cli import main
from flows.errors import UserError
from flows.out_folder.build import build
from tests.support.onnx_files import OnnxFile

pytestmark = pytest.mark.slow

NETWORK = Path(__file__).parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx"
BOARD = find("arty-z7-20")
Capture = pytest.CaptureFixture[str]


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
def test_refused_networks_leave_nothing(
    content: bytes | Callable[[], bytes], tmp_path: Path, capsys: Capture
) -> None:
    network = tmp_path / "in" / "bad.onnx"
    network.parent.mkdir()
    network.write_bytes(content() if callable(content) else content)
    output = tmp_path / "new" / "out"
    assert main(["build", str(network), "--board", BOARD.name, "-o", str(output)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"rowmac: {network}: ")
    assert said.err.count("\n") == 1
    assert len(said.err) < 700
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def wide_scores(folder: Path) -> Path:
    """Attention heads that are wider than any weight store is deep."""
    file = OnnxFile(shape=(1, 4, 8200))
    x = file.quantise("image")
    keys = file.add("Transpose", x, perm=[0, 2, 1])
    scores = file.quantise(file.add("MatMul", x, keys, name="scores"), 9.0)
    y = file.add("MatMul", file.quantise(file.add("Softmax", scores), 1 / 255, -128), x)
    return file.save(folder, file.quantise(y))


def many_tokens(folder: Path) -> Path:
    """Attention scores of 1 MB, where the scratchpad has 256 KB."""
    file = OnnxFile(shape=(1, 1024, 8))
    x = file.quantise("image")
    keys = file.add("Transpose", x, perm=[0, 2, 1])
    scores = file.quantise(file.add("MatMul", x, keys, name="scores"), 9.0)
    y = file.add("MatMul", file.quantise(file.add("Softmax", scores), 1 / 127), x)
    return file.save(folder, file.quantise(y))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (wide_scores, "layer 'scores': attention head width must be at most 2048, not 8200"),
        (many_tokens, "layer 'scores': scratchpad must hold tensor"),
    ],
)
def test_beyond_the_machine(
    make: Callable[[Path], Path], line: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "in").mkdir()
    network = make(tmp_path / "in")
    output = tmp_path / "new" / "out"
    assert main(["build", str(network), "--board", BOARD.name, "-o", str(output)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"rowmac: {network}: {line}")
    assert said.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_absent_network(tmp_path: Path, capsys: Capture) -> None:
    network = tmp_path / "absent.onnx"
    output = tmp_path / "new" / "out"
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
    # As at a terminal: what runs in the background begins with SIGINT ignored.
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program += "from flows.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "build", str(NETWORK)]
    command += ["--board", BOARD.name, "-o", str(tmp_path / "new" / "out")]
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


def test_beyond_the_board_s_memory(tmp_path: Path) -> None:
    small = replace(BOARD, memory_bytes=1 << 16)
    with pytest.raises(UserError) as error:
        build(NETWORK, small, tmp_path / "out")
    assert str(error.value).startswith(
        f"{NETWORK}: program, weights and tensors must fit the 65,536 bytes of memory that "
        "arty-z7-20 keeps for the machine, not take "
    )
    assert not (tmp_path / "out").exists()
