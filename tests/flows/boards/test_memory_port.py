import pytest

from flows.boards import BOARDS, find
from flows.boards.board import Board
from flows.boards.memory_port import MemoryPort
from models.machine.memory import NEAR


def test_the_rate_follows_from_the_memory_s_bandwidth() -> None:
    port = MemoryPort(peak_mb_s=1000, efficiency=0.5, source="made up")
    assert port.timing(100, 8).rate == 160  # 5 bytes a cycle of 8
    assert port.timing(50, 8).rate == 320
    assert port.timing(100, 16).rate == 80
    assert port.timing(1, 1).rate == 512  # no more than the bus takes in both directions
    assert port.timing(100, 8).beats_per_cycle == 160 / 256


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_memories_of_a_board(board: Board) -> None:
    own = board.memory.named("board", board.clock_mhz, board.data_width // 8)
    assert own.name == "board"
    assert own.read_latency == board.memory.latency > NEAR.read_latency
    assert board.memory.named("near", board.clock_mhz, board.data_width // 8) == NEAR
    assert board.facts()["memory"]["peak_mb_s"] == board.memory.peak_mb_s


def test_unknown_memory() -> None:
    with pytest.raises(ValueError, match="^memory must be near or board, not 'far'$"):
        find("zcu102").memory.named("far", 100, 8)
