import pytest

from flows.boards import BOARDS, UnknownBoard, find


def test_names() -> None:
    assert [board.name for board in BOARDS] == ["arty-z7-20", "zcu102"]
    for board in BOARDS:
        assert find(board.name) is board


def test_addresses_are_of_the_ports_that_are_used() -> None:
    """M_AXI_GP0 and M_AXI_HPM0_FPD reach these ranges; memory is within the boards' DDR."""
    arty, zcu102 = BOARDS
    assert 0x4000_0000 <= arty.control_base < 0x8000_0000
    assert arty.memory_base + arty.memory_bytes <= 512 << 20
    assert 0xA000_0000 <= zcu102.control_base < 0xB000_0000
    assert zcu102.memory_base + zcu102.memory_bytes <= 0x7FF0_0000
    for board in BOARDS:
        assert board.memory_base % board.memory_bytes == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("arty-z7-10", "did you mean arty-z7-20?"),
        ("ZCU102", "did you mean zcu102?"),
        ("zcu104", "did you mean zcu102?"),
        ("", "known are arty-z7-20, zcu102"),
        ("qwxv", "known are arty-z7-20, zcu102"),
    ],
)
def test_unknown(name: str, hint: str) -> None:
    with pytest.raises(UnknownBoard) as error:
        find(name)
    assert str(error.value) == f"board must be a known one, not {name!r}; {hint}"
