from itertools import islice
from pathlib import Path
from typing import Protocol

import pytest

from sim.runner import Design, SimulationFailed, Simulator, build
from sim.stalls import Stalls

BENCH = "tests.support.sim.bench_streams"

# A buffer of one item. FAULT 1: valid is dropped now and then while it waits; 2: the payload
# changes while it waits; 3: valid waits for ready; 4: an item is delivered twice.
BUFFER = """
module buffer #(parameter FAULT = 0) (
    input clk, input rst,
    input i__valid, output i__ready, input [7:0] i__payload,
    output o__valid, input o__ready, output [7:0] o__payload
);
    reg full, twice; reg [7:0] item; reg [5:0] cycle;
    wire fault = cycle == 0;
    assign i__ready = !full;
    assign o__valid = full && !(FAULT == 1 && fault) && (FAULT != 3 || o__ready);
    assign o__payload = FAULT == 2 && fault ? item + 8'd1 : item;
    always @(posedge clk) begin
        cycle <= rst ? 6'd0 : cycle + 6'd1;
        if (o__valid && o__ready) begin
            full <= FAULT == 4 && fault && !twice;
            twice <= FAULT == 4;
        end
        if (i__valid && i__ready) begin full <= 1; twice <= 0; item <= i__payload; end
        if (rst) full <= 0;
    end
endmodule
"""
FIELDS = """
module fields(
    input clk, input rst,
    input i__valid, output i__ready, input [3:0] i__payload__key, input [3:0] i__payload__value,
    output o__valid, input o__ready, output [3:0] o__payload__key, output [3:0] o__payload__value
);
    reg held;
    always @(posedge clk) held <= rst;
    assign o__valid = i__valid && !held;
    assign i__ready = o__ready && !held;
    assign {o__payload__key, o__payload__value} = {i__payload__key, i__payload__value};
endmodule
"""


class Make(Protocol):
    def __call__(self, text: str, **parameters: int) -> Simulator: ...


@pytest.fixture
def make(tmp_path: Path, simulators: Path) -> Make:
    def make(text: str, **parameters: int) -> Simulator:
        top = text.split()[1].split("(")[0]
        (tmp_path / f"{top}.v").write_text(text)
        sources = (tmp_path / f"{top}.v",)
        return build(Design(top=top, sources=sources, parameters=parameters), simulators)

    return make


@pytest.mark.parametrize("seed", range(1, 7))
def test_everything_arrives_in_order(make: Make, tmp_path: Path, seed: int) -> None:
    make(BUFFER).run(BENCH, tmp_path, tests=["everything_arrives_in_order"], seed=seed)


def test_no_stall_no_delay(make: Make, tmp_path: Path) -> None:
    make(BUFFER).run(BENCH, tmp_path, tests=["without_stalls_an_item_every_other_cycle"])


def test_ready_that_follows_valid(make: Make, tmp_path: Path) -> None:
    make(BUFFER).run(BENCH, tmp_path, tests=["follows_valid"])


def test_fields(make: Make, tmp_path: Path) -> None:
    make(FIELDS).run(BENCH, tmp_path, tests=["fields"])


@pytest.mark.parametrize(
    ("fault", "test", "text"),
    [
        (1, "everything_arrives_in_order", "o, cycle [0-9]+: an item .* stay [0-9]+, not .*low"),
        (2, "everything_arrives_in_order", "o, cycle [0-9]+: an item .* stay [0-9]+, not .*[0-9]"),
        (3, "follows_valid", "o must give 20 items within 1000 cycles, not 0"),
        (4, "everything_arrives_in_order", "stalls of seed"),
    ],
)
def test_broken_rules_are_found(
    make: Make, tmp_path: Path, fault: int, test: str, text: str
) -> None:
    with pytest.raises(SimulationFailed, match=text):
        make(BUFFER, FAULT=fault).run(BENCH, tmp_path, tests=[test])


def test_wrong_names(make: Make, tmp_path: Path) -> None:
    with pytest.raises(SimulationFailed, match=r"must have the fields \['key', 'value'\], not \["):
        make(FIELDS).run(BENCH, tmp_path, tests=["wrong_field"])
    with pytest.raises(SimulationFailed, match="absent__valid"):
        make(FIELDS).run(BENCH, tmp_path, tests=["no_such_stream"])


def test_stalls_repeat_and_differ_by_name() -> None:
    def draw(stalls: Stalls, name: str) -> list[bool]:
        return list(islice(stalls.draws(name), 1000))

    assert draw(Stalls(seed=3), "i") == draw(Stalls(seed=3), "i")
    assert draw(Stalls(seed=3), "i") != draw(Stalls(seed=3), "o")
    assert draw(Stalls(seed=3), "i") != draw(Stalls(seed=4), "i")
    assert sum(draw(Stalls(probability=0.0), "i")) == 0
    assert 200 < sum(draw(Stalls(probability=0.25), "i")) < 300


@pytest.mark.parametrize("probability", [-0.1, 1.0, 2])
def test_stalls_never_for_ever(probability: float) -> None:
    with pytest.raises(ValueError, match=f"at least 0 and below 1, not {probability}"):
        Stalls(probability=probability)
