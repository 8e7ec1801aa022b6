"""Every board's entry is complete: a new file in flows/boards needs no change here."""

import re

import pytest

from flows.boards import BOARDS, Board, UnknownBoard, find
from flows.boards.board import DEVICE
from flows.boards.host import HOSTS
from flows.estimate.resources.resources import estimate_resources
from flows.machine.default import default_machine

each_board = pytest.mark.parametrize("board", BOARDS, ids=[board.name for board in BOARDS])
MACHINES = {
    "arty-z7-20": "128 MAC/cycle, 64 bits",
    "pynq-z2": "128 MAC/cycle, 64 bits",
    "zcu102": "512 MAC/cycle, 128 bits",
}


def test_names_are_found_and_stand_for_one_board() -> None:
    names = [board.name for board in BOARDS]
    assert len(set(names)) == len(names)
    assert names == sorted(names)
    assert set(MACHINES) <= set(names)
    for board in BOARDS:
        assert find(board.name) is board
        assert re.fullmatch(r"[a-z0-9-]+", board.name)


@each_board
def test_the_host_is_known_and_takes_the_memory_port(board: Board) -> None:
    assert board.host in HOSTS, f"host must be one of {', '.join(HOSTS)}, not {board.host!r}"
    assert board.data_width == HOSTS[board.host].data_width
    assert board.source
    assert board.clock_mhz > 0


@each_board
def test_addresses_are_within_the_ports_that_are_used_and_do_not_overlap(board: Board) -> None:
    host = HOSTS[board.host]
    control = range(board.control_base, board.control_base + board.control_bytes)
    memory = range(board.memory_base, board.memory_base + board.memory_bytes)
    assert control[0] in host.control
    assert control[-1] in host.control
    assert memory[-1] < board.ddr_bytes
    assert memory[-1] < control[0] or control[-1] < memory[0]
    assert board.memory_base % board.memory_bytes == 0
    assert board.control_base % board.control_bytes == 0


@each_board
def test_the_platform_is_of_the_board_and_fresh_each_time(board: Board) -> None:
    first, second = board.platform(), board.platform()
    assert first is not second
    assert first.resources
    # Vivado's names: xc7z020clg400-1, but xczu9eg-ffvb1156-2-e.
    joined = f"{first.device}{first.package}{first.speed}"
    assert board.part.replace("-", "") == joined.replace("-", "")
    assert first.request("led", 0, dir="-") is not None
    assert first.request("led", 1, dir="-") is not None


@each_board
def test_the_default_machine_is_valid_and_estimated_to_fit(board: Board) -> None:
    spec = default_machine(board)
    assert spec.axi_width == board.data_width
    found = estimate_resources(spec, board.family)
    for figure, field in DEVICE.items():
        assert 0 < getattr(found, figure) <= getattr(board.resources, field), figure


@pytest.mark.parametrize(("name", "machine"), MACHINES.items())
def test_default_machines(name: str, machine: str) -> None:
    spec = default_machine(find(name))
    assert f"{spec.macs_per_cycle} MAC/cycle, {spec.axi_width} bits" == machine


@each_board
def test_facts_are_data_alone(board: Board) -> None:
    facts = board.facts()
    assert list(facts)[:4] == ["name", "title", "part", "host"]
    assert not {"platform", "machine", "ddr_bytes"} & facts.keys()
    assert facts["resources"]["dsps"] == board.resources.dsps


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("arty-z7-10", "did you mean arty-z7-20?"),
        ("ZCU102", "did you mean zcu102?"),
        ("zcu104", "did you mean zcu102?"),
        ("pynq-z1", "did you mean pynq-z2?"),
        ("", f"known are {', '.join(board.name for board in BOARDS)}"),
        ("qwxv", f"known are {', '.join(board.name for board in BOARDS)}"),
    ],
)
def test_unknown(name: str, hint: str) -> None:
    with pytest.raises(UnknownBoard) as error:
        find(name)
    assert str(error.value) == f"board must be a known one, not {name!r}; {hint}"
