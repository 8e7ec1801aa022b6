"""What fits a machine is one answer: that of estimate, search, sweep and build is the mapper's."""

import json
import shlex
from functools import cache, partial
from pathlib import Path

import pytest

from flows.boards import find
from flows.cli import main, show_search
from flows.errors import UserError
from flows.estimate.cycles.found_network import Network, find_network
from flows.estimate.cycles.network_formats import in_formats
from flows.machine.default import default_machine
from flows.mapper import MappingError, map_network
from flows.onnx_import import load_network
from flows.search.find import Goal, SearchResult, search
from flows.search.precisions import PRECISIONS
from flows.sweep.definition import Definition
from flows.sweep.evaluate import ESTIMATE
from flows.sweep.model_mark import model_mark
from flows.sweep.point_machine import machine_of
from flows.sweep.point_store import Store
from flows.sweep.sweep_run import fronts, sweep
from flows.sweep.sweep_workers import local_workers
from models.machine.spec import MachineSpec
from models.network.workloads import WORKLOADS
from tests.support.onnx_files import OnnxFile

pytestmark = pytest.mark.slow

BOARDS = ("arty-z7-20", "zcu102")
LONG = {"mobilenet-v1": "arty-z7-20", "mobilenet-v2": "zcu102", "vgg-11": "arty-z7-20"}
"""Workloads whose mapping takes long: each is tried on one board."""
LARGEST = 5_000_000
"""Weights of a workload that is mapped whole beside its check."""
Capture = pytest.CaptureFixture[str]


@cache
def named(name: str) -> Network:
    return find_network(name)


def found(network: Network, board: str) -> SearchResult | str:
    """What a search of 8-bit machines finds; or why no machine maps the network."""
    goal = Goal(network=network, board=find(board), fps=1, clock_mhz=100)
    try:
        return search(goal, precisions=PRECISIONS[:1])
    except UserError as error:
        return str(error)


def estimated(name: str, spec: MachineSpec) -> str | None:
    """Why an estimate is refused."""
    try:
        find_network(name, spec)
    except UserError as error:
        return str(error)
    return None


def mapped(network: Network, spec: MachineSpec) -> str | None:
    """Why a build's mapping is refused."""
    graph = network.graph if network.of_file else in_formats(network.graph, spec)
    weights = sum(n.operator.weights.size for n in graph.nodes if hasattr(n.operator, "weights"))
    try:
        if weights > LARGEST:
            return network.refusal(spec)
        map_network(graph, spec)
    except MappingError as error:
        return str(error)
    return None


def swept(name: str, board: str, specs: list[MachineSpec], folder: Path) -> dict[str, str]:
    """By lanes and words of a bank: ``front``, ``fits``, or the reason of points of a sweep."""
    points: list[dict[str, str | int | float]] = [
        {
            "board": board, "network": name, "lanes": s.lanes, "tokens": s.tokens,
            "rows": ",".join(map(str, s.classes)) or str(s.rows), "vector_lanes": s.vector_lanes,
            "depth": s.depth, "bank_words": s.bank_words, "param_entries": s.param_entries,
            "part_sums": s.part_sums, "queue_depth": s.queue_depth,
        }
        for s in specs
    ]  # fmt: skip
    store = Store(folder / f"{board}.sqlite", model_mark())
    sweep(Definition({}, points), store, local_workers(1))
    outcomes = list(store.outcomes(ESTIMATE))
    known = {one.point: one.value for one in outcomes if one.value is not None}
    best = {key for _, mine in fronts(known, known) for key in mine}
    said = {o.point: "front" if o.point in best else o.error or "fits" for o in outcomes}
    return {str(machine_of(json.loads(key))): text for key, text in said.items()}


@pytest.mark.parametrize(
    ("name", "board"),
    [(name, board) for name in WORKLOADS for board in BOARDS if board == LONG.get(name, board)],
)
def test_all_verbs_agree_on_a_workload(name: str, board: str, tmp_path: Path) -> None:
    network, default = named(name), default_machine(find(board))
    reason = mapped(network, default)
    assert estimated(name, default) == (None if reason is None else f"{name}: {reason}")
    result = found(network, board)
    proposed: list[MachineSpec] = []
    if isinstance(result, str):
        assert reason is not None
        assert result.startswith(f"no machine maps {name}: layer ")
    else:
        ones = (*result.machines, *([result.fastest] if result.fastest else []))
        proposed = [one.spec for one in ones]
    for spec in proposed:
        assert mapped(network, spec) is None
        assert find_network(name, spec).layers == network.layers
    for text, said in swept(name, board, [default, *proposed], tmp_path).items():
        spec = next(s for s in (default, *proposed) if str(s) == text)
        assert said != "front" or mapped(network, spec) is None
        # A sweep knows neither strips nor parts of K: it asks for memories that hold all at once.
        whole = said.startswith(("depth must be at least", "banks * bank_words must be at least"))
        assert said in ("front", "fits") or whole or mapped(network, spec) is not None


def lenet(folder: Path) -> Path:
    """Convolutions, poolings, and a linear layer on four flattened positions."""
    file = OnnxFile(shape=(1, 1, 12, 12))
    x = file.quantise(file.add("Conv", file.quantise("image"), file.weights((6, 1, 3, 3))))
    x = file.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = file.quantise(file.add("Conv", file.quantise(x), file.weights((8, 6, 2, 2))))
    x = file.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = file.add("Flatten", file.quantise(x))
    return file.save(folder, file.quantise(file.add("Gemm", x, file.weights((32, 10)))))


@pytest.mark.parametrize("board", BOARDS)
def test_all_verbs_agree_on_lenet(
    board: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, spec = lenet(tmp_path), default_machine(find(board))
    try:
        map_network(load_network(path), spec)
        reason = None
    except MappingError as error:
        reason = str(error)
    arguments = ["--board", board, "--network", str(path)]
    assert main(["estimate", *arguments]) == (0 if reason is None else 2)
    said = capsys.readouterr().err
    assert said == ("" if reason is None else f"rowmac: {path}: {reason}\n")
    few = partial(search, precisions=PRECISIONS[:1])
    monkeypatch.setattr(show_search, "search", few)
    status = main(["search", *arguments, "--fps", "1", "--json"])
    printed = capsys.readouterr()
    store = tmp_path / "store.sqlite"
    points = ["--set", f"board={board}", "--set", f"network={path}", "-o", str(store), "--json"]
    if reason is None:
        assert status == 0
        (machine,) = json.loads(printed.out)["machines"]
        assert main(shlex.split(machine["command"])[1:]) == 0
        capsys.readouterr()
    else:
        assert status == 2
        assert printed.err.endswith(f"rowmac: no machine maps network: {reason}\n")
    assert main(["sweep", *points]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [one["points"] != [] for one in result["fronts"]] == [True] * (reason is None)
    assert list(result["errors"]) == ([] if reason is None else [reason])
