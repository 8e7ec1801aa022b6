"""The machine that a network gets: the board's, a larger one that fits, or the reason why none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from flows.boards import BOARDS, Board, find
from flows.boards.board import DEVICE
from flows.errors import UserError
from flows.estimate.cycles.found_network import find_network
from flows.estimate.resources.device_cost import device_cost
from flows.machine.default import Change, default_machine, machine_for, plain_machine
from flows.machine.file_rows import with_rows_of
from flows.machine.fit_board import fitted_machine
from flows.machine.needs import Needs, graph_needs
from flows.mapper import refusal
from flows.onnx_import import load_network
from models.machine.spec import MachineSpec
from tests.support.onnx_files import OnnxFile

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"
BOARD = replace(find("arty-z7-20"), machine={"part_sums": 0})
"""A board whose machine does not cut K, so that its depth is a limit."""
DEFAULT = default_machine(BOARD)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
@pytest.mark.parametrize("name", ["resnet_int8", "vit_int8", "quantised/resnet_rmsmp"])
def test_networks_that_fit_get_what_they_had(name: str, board: Board) -> None:
    """As before there was another choice: no field is another one, and no cost is asked."""
    graph = load_network(EXAMPLES / f"{name}.onnx")

    def never(spec: MachineSpec, board: Board) -> Mapping[str, int]:
        raise AssertionError(spec)

    chosen = fitted_machine(board, graph_needs(name, graph), never)
    assert chosen == machine_for(board, partial(refusal, graph))
    assert chosen.changes == ()


def deep(folder: Path, channels: int = 240) -> Path:
    """3 x 3 x 240 products a result: 2,160, where the machine holds 2,048."""
    file = OnnxFile(shape=(1, channels, 6, 6))
    x = file.add("Conv", file.quantise("image"), file.weights((4, channels, 3, 3)), name="deep")
    return file.save(folder, file.quantise(x))


def test_memories_grow_and_the_reason_is_told(tmp_path: Path) -> None:
    needs = graph_needs("network", load_network(deep(tmp_path)))
    chosen = fitted_machine(BOARD, needs, device_cost)
    assert chosen.spec == replace(DEFAULT, depth=2160)
    (change,) = chosen.changes
    assert str(change) == (
        "depth 2,160 instead of 2,048: layer 'deep': K (padded to whole beats) must be at most "
        "2048, not 2160"
    )
    assert needs.refusal(chosen.spec) is None


def test_what_no_memory_helps_is_left_to_the_mapper(tmp_path: Path) -> None:
    needs = graph_needs("network", load_network(deep(tmp_path, channels=960)))
    assert "no machine is large enough" in str(needs.refusal(DEFAULT))
    with pytest.raises(UserError, match="no machine is large enough: .*; --board zcu102 would do$"):
        fitted_machine(BOARD, needs, device_cost)


def test_the_reason_is_one_that_plain_rows_do_not_help() -> None:
    why = {True: "codes must be -127; take a machine without row classes", False: "too wide"}

    def no(spec: MachineSpec) -> MachineSpec:
        raise ValueError("no memory would do")

    needs = Needs(name="net", refusal=lambda spec: why[bool(spec.classes)], enlarged=no)
    assert fitted_machine(BOARD, needs, free).spec == plain_machine(BOARD)


def test_a_larger_board_is_named() -> None:
    needs = find_network("deit-base").needs
    with pytest.raises(UserError) as error:
        fitted_machine(BOARD, needs, device_cost)
    said = str(error.value)
    assert said.startswith(
        "deit-base: block RAMs must be at least 290, not the 140 of arty-z7-20 (150 short), for a "
        "machine with depth 3,072 instead of 2,048: layer "
    )
    assert said.endswith("; --board zcu102 would do")
    chosen = fitted_machine(find("zcu102"), needs, device_cost)
    assert needs.refusal(chosen.spec) is None


def test_a_board_of_wider_words_is_named() -> None:
    """Where no machine of this board holds the network at all."""
    needs = held(lambda spec: spec.word_bytes >= 32)
    with pytest.raises(UserError, match="^net: layer 'x': .* would do; --board zcu102 would do$"):
        fitted_machine(BOARD, needs, free)


def test_depth_grows_for_tensors_that_live_in_memory() -> None:
    """Tensors that are larger than the scratchpad are no reason; a layer's depth is one."""
    needs = find_network("resnet-18").needs
    assert str(needs.refusal(DEFAULT)).startswith("layer 'stage2.block0.conv2': K (padded")
    chosen = fitted_machine(BOARD, needs, device_cost)
    assert chosen.spec == replace(DEFAULT, depth=4608)
    (change,) = chosen.changes
    assert str(change) == (
        "depth 4,608 instead of 2,048: layer 'stage2.block0.conv2': K (padded to whole beats) must "
        "be at most 2048, not 2304"
    )


def test_no_board_would_do() -> None:
    needs = held(lambda spec: spec.depth >= 4096 and spec.rows < 16)

    def cost(spec: MachineSpec, board: Board) -> Mapping[str, int]:
        return {**free(spec, board), "lut": 1_053_200, "dsp": 10_000}

    with pytest.raises(UserError) as error:
        fitted_machine(BOARD, needs, cost)
    assert str(error.value) == (
        "net: LUTs must be at least 1,053,200, not the 53,200 of arty-z7-20 (1,000,000 short) and "
        "DSP slices must be at least 10,000, not the 220 of arty-z7-20 (9,780 short), for a "
        "machine with depth 4,096 instead of 2,048: layer 'x': depth must be more; no known board "
        "would do"
    )


def held(holds: Callable[[MachineSpec], bool], **others: object) -> Needs:
    """A network that some machines hold, and whose growth is one of depth."""

    def enlarged(spec: MachineSpec) -> MachineSpec:
        larger = replace(spec, depth=4096)
        if not holds(larger):
            raise ValueError("no memory would do")
        return larger

    why = "layer 'x': depth must be more; a machine with depth = 4096 would do"
    return Needs(
        name="net", refusal=lambda spec: None if holds(spec) else why, enlarged=enlarged,
        **others,  # type: ignore[arg-type]
    )  # fmt: skip


def free(spec: MachineSpec, board: Board) -> Mapping[str, int]:
    return dict.fromkeys(DEVICE, 1)


def test_plain_rows_grow_where_rows_of_classes_do_not() -> None:
    needs = held(lambda spec: not spec.classes and spec.depth >= 4096)
    chosen = fitted_machine(BOARD, needs, free)
    assert chosen.spec == replace(plain_machine(BOARD), depth=4096)
    assert chosen.reason == "no memory would do"
    assert chosen.changes == (
        Change("depth", "4,096", "2,048", "layer 'x': depth must be more"),
    )  # fmt: skip


def test_growth_that_is_of_no_use_is_taken_back() -> None:
    """As when a mapper finds room in another way."""
    needs = held(lambda spec: spec.bank_words > 4096)

    def enlarged(spec: MachineSpec) -> MachineSpec:
        return replace(spec, bank_words=8192, depth=4096)

    chosen = fitted_machine(BOARD, replace(needs, enlarged=enlarged), free)
    assert chosen.spec == replace(DEFAULT, bank_words=8192)
    assert [one.name for one in chosen.changes] == ["bank_words"]


def test_rows_of_the_file_where_others_do_not_fit() -> None:
    """Rows of fewer bits take less of a device."""
    needs = held(lambda spec: spec.depth >= 4096, formats={"fixed4": 0.25, "pot4": 0.75})

    def cost(spec: MachineSpec, board: Board) -> Mapping[str, int]:
        small = spec.classes and spec.classes[0].format == "fixed4"
        return {**free(spec, board), "bram36": 100 if small else 150}

    chosen = fitted_machine(BOARD, needs, cost)
    assert [*map(str, chosen.spec.classes)] == ["fixed4:2", "pot4:6"]
    assert [*map(str, chosen.changes)] == [
        (
            "rows fixed4:2,pot4:6 instead of fixed8:8: block RAMs must be at least 150, not the "
            "140 of arty-z7-20 (10 short)"
        ),
        "depth 4,096 instead of 2,048: layer 'x': depth must be more",
    ]


@pytest.mark.parametrize(
    ("formats", "rows"),
    [
        ({}, []),
        ({"fixed8": 1.0}, ["fixed8:8", "fixed8:8"]),
        ({"pot4": 0.6, "fixed8": 0.4}, ["fixed8:3,pot4:5", "fixed8:8,pot4:8"]),
        ({"pot4": 0.999, "fixed8": 0.001}, ["fixed8:1,pot4:7", "fixed8:8,pot4:8"]),
        ({"pot4": 1.0}, ["pot4:8", "fixed8:8,pot4:8"]),
        ({"fixed4": 0.5, "fixed8": 0.5}, ["fixed8:4,fixed4:4", "fixed8:4,fixed4:4"]),
    ],
)
def test_rows_are_shared_out(formats: dict[str, float], rows: list[str]) -> None:
    assert [",".join(map(str, one.classes)) for one in with_rows_of(DEFAULT, formats)] == rows


def test_formats_that_a_file_names() -> None:
    """Shares of weights; none where the file names none."""
    needs = graph_needs("net", load_network(EXAMPLES / "quantised" / "resnet_rmsmp.onnx"))
    assert needs.formats.keys() == {"fixed8", "fixed4", "pot4"}
    assert sum(needs.formats.values()) == pytest.approx(1)
    assert graph_needs("net", load_network(EXAMPLES / "resnet_int8.onnx")).formats == {}
