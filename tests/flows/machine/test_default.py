"""Which machine a network gets on a board unless another one is asked for."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from flows.boards import BOARDS, Board, find
from flows.cli.main import main
from flows.errors import UserError
from flows.machine.default import default_machine, machine_for, plain_machine
from flows.mapper import refusal
from flows.onnx_import import load_network
from models.machine.spec import MachineSpec

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
SYMMETRIC, ASYMMETRIC = EXAMPLES / "resnet_int8.onnx", EXAMPLES / "vit_int8.onnx"
each_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)


@each_board
def test_a_boards_rows_have_two_products_a_slice(board: Board) -> None:
    """The default array is as large as the plain one on half its slices."""
    from flows.estimate.resources.resources import estimate_resources

    spec, plain = default_machine(board), plain_machine(board)
    assert spec.classes
    assert not plain.classes
    assert spec.macs_per_cycle == plain.macs_per_cycle
    saved = estimate_resources(plain, board.family).dsp - estimate_resources(spec, board.family).dsp
    assert saved == plain.macs_per_cycle // 2


@each_board
def test_what_the_file_allows(board: Board) -> None:
    """Zero points of weights' activations are folded; those of attention's products are not."""
    chosen = machine_for(board, partial(refusal, load_network(SYMMETRIC)))
    assert (chosen.spec, chosen.reason) == (default_machine(board), None)
    chosen = machine_for(board, partial(refusal, load_network(ASYMMETRIC)))
    assert chosen.spec == plain_machine(board)
    assert chosen.reason is not None
    assert "must be 0 in a product of two activations" in chosen.reason


def test_rows_that_are_given_are_taken() -> None:
    """The network is not asked."""
    board = find("arty-z7-20")

    def never(spec: MachineSpec) -> str | None:
        raise AssertionError(spec)

    assert machine_for(board, never, "8").spec == plain_machine(board)
    assert str(machine_for(board, never, "fixed4:24").spec.classes[0]) == "fixed4:24"


def test_numbers_hold_for_either() -> None:
    """They are those of both machines; rows stay as they are where neither holds the network."""
    board = find("arty-z7-20")
    asked = []

    def no(spec: MachineSpec) -> str | None:
        asked.append((bool(spec.classes), spec.depth))
        return "too small"

    assert machine_for(board, no, None, {"depth": 4096}).spec.classes
    assert asked == [(True, 4096), (False, 4096)]
    plain = machine_for(board, lambda spec: "no" if spec.classes else None, None, {"act_bits": 6})
    assert plain.spec.act_bits == 6  # which plain rows do not have
    with pytest.raises(UserError, match="lanes must be"):
        machine_for(board, no, None, {"lanes": 0})


def test_build_and_estimate_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, on the machine's rows; nothing where they are the default ones."""
    board = ["--board", "arty-z7-20"]
    assert main(["build", str(ASYMMETRIC), *board, "-o", str(tmp_path / "a")]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "plain" in x]
    assert line.startswith("  rows     plain, of nine bits: layer 'node_MatMul_60': zero point of ")
    assert main(["estimate", "--network", str(ASYMMETRIC), *board]) == 0
    assert "assumed: plain rows, of nine bits: layer 'node_MatMul_60'" in capsys.readouterr().out
    assert main(["build", str(SYMMETRIC), *board, "-o", str(tmp_path / "b"), "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert built["machine"]["spec"]["classes"] == [["fixed8", 8]]
