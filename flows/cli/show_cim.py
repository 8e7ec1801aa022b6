"""Work and output of ``rowmac cim``."""

import argparse
import math
from pathlib import Path
from typing import Any

from flows.cim import RULES, prepare
from flows.cim.accuracy_store import Store
from flows.cim.die_accuracy import Sweep, digest_of, exact_accuracy, measure
from flows.cim.pieces import right_images
from flows.cli.numbers import whole
from flows.cli.progress import StageProgress
from flows.cli.table import table
from flows.errors import OutputError, UserError
from flows.onnx_import import NetworkError, load_network
from flows.work.cache import cache_folder
from flows.work.files import refuse_device
from flows.work.inputs import Inputs, read_inputs
from flows.work.workers import LocalWorkers, check_jobs
from models.cim.cim_spec import CimSpec
from models.cim.presets import find_preset
from models.network.graph import IntegerGraph
from models.numerics.rescale import Integers

__all__ = ["show"]

_SEEN = 32
_MOST_SAMPLES, _MOST_DIES, _MOST_BITS = 1 << 24, 10_000, 64


def show(options: argparse.Namespace) -> tuple[Any, int]:
    """Run ``characterise``, ``accuracy`` or ``layers``.

    Raises
    ------
    UserError
        If an argument is wrong.
    """
    verbs = {"characterise": _characterise, "accuracy": _accuracy, "layers": _layers}
    return verbs[options.verb](options)


def _characterise(options: argparse.Namespace) -> tuple[Any, int]:
    from flows.cim.characterise import characterise, write

    spec = _spec(options, options.adc_bits)
    _check_die(options.die)
    _check_count("--samples", options.samples, _MOST_SAMPLES)
    with StageProgress() as progress:
        found = characterise(spec, options.die, options.samples, progress.stage)
        files = write(found, options.output, f"{options.preset}, die {options.die}")
    facts = {"preset": options.preset, "die": options.die, **found.facts(), "files": files}
    if not options.json:
        rows = [[name.replace("_", " "), f"{value:.4g}"] for name, value in found.facts().items()]
        print(table(["", "value"], rows))
        print("\n".join(files))
    return facts, 0


def _accuracy(options: argparse.Namespace) -> tuple[Any, int]:
    sweep = _sweep(options)
    if options.plot is not None:
        from flows.cim.picture import require

        require(options.plot)
    check_jobs(options.jobs)
    store = Store(options.store or _kept(options.network))
    workers = LocalWorkers(right_images, options.jobs)
    with StageProgress(remaining=True) as progress, workers:
        progress.stage("integer graph", 0, len(sweep.images))
        exact = exact_accuracy(sweep, store)
        found = measure(sweep, store, workers, progress.stage)
    if not options.json:
        head = ["ADC bits", "noise", "step", "mean %", "spread", "dies"]
        rows = [
            [e["bits"], f"{e['noise']:g}", e["rule"], f"{e['mean']:.2f}", f"{e['spread']:.2f}",
             len(e["dies"])]
            for e in found
        ]  # fmt: skip
        print(table(head, rows))
        print(f"{len(sweep.images)} images; exact products: {exact:.2f} %")
    facts = {"network": str(options.network), "preset": options.preset, "exact": exact}
    facts |= {"images": len(sweep.images), "results": found}
    if options.plot is not None:
        from flows.cim.picture import plot_accuracy

        try:
            title = f"{options.network.stem} on {options.preset}"
            plot_accuracy(found, exact, options.plot, title)
        except UserError as error:
            raise OutputError(str(error), facts) from None
    return facts, 0


def _kept(network: Path) -> Path:
    """The file of results that is used without ``--store``."""
    return cache_folder("results") / "cim" / f"{network.stem}.jsonl"


def _layers(options: argparse.Namespace) -> tuple[Any, int]:
    from flows.cim.layer_report import layer_report

    spec = _spec(options, options.adc_bits)
    if options.rule not in RULES:
        raise UserError(f"--rule must be one of {', '.join(RULES)}, not {options.rule!r}")
    _check_die(options.die)
    graph, _, inputs, seen = _read(options)
    with StageProgress() as progress:
        progress.stage("windows and die", 0, 2)
        network = prepare(
            graph,
            spec,
            seen,
            rule=options.rule,
            die=options.die,
            static=not options.no_static,
            dynamic=not options.no_noise,
            calibrated=not options.no_calibration,
            recalibrate=options.recalibrate,
            keep_ends=options.keep_ends,
        )
        progress.stage("layers", 1, 2)
        found = layer_report(network, inputs.codes)
    if not options.json:
        head = [*found[0]] if found else ["name"]
        rows = [
            [f"{v:.4g}" if isinstance(v, float) else v for v in entry.values()] for entry in found
        ]
        print(table(head, rows))
    facts = {"network": str(options.network), "preset": options.preset, "die": options.die}
    return {**facts, "images": len(inputs.codes), "layers": found}, 0


def _read(options: argparse.Namespace) -> tuple[IntegerGraph, bytes, Inputs, Integers]:
    """Graph, file, images, and calibration images' codes."""
    refuse_device(options.network)
    try:
        graph = load_network(options.network)
        content = options.network.read_bytes()
    except NetworkError as error:
        raise UserError(str(error)) from None
    kind = graph.tensors[graph.input]
    inputs = read_inputs(options.inputs, kind, options.count)
    seen = inputs.codes[:_SEEN]
    if options.calibration is not None:
        seen = read_inputs(options.calibration, kind).codes[:_SEEN]
    if len(inputs.codes) == 0 or len(seen) == 0:
        raise UserError(f"{options.inputs} must have at least one image")
    return graph, content, inputs, seen


def _check_count(name: str, value: int, most: int) -> None:
    if value < 1:
        raise UserError(f"{name} must be at least 1, not {value}")
    if value > most:
        raise UserError(f"{name} must be at most {most:,}, not {value:,}")


def _check_die(die: int) -> None:
    if not 0 <= die < 1 << 31:
        raise UserError(f"--die must be 0 to 2**31 - 1, not {die}")


def _sweep(options: argparse.Namespace) -> Sweep:
    rules = options.rule.split(",")
    for rule in rules:
        if rule not in RULES:
            raise UserError(f"--rule must be one of {', '.join(RULES)}, not {rule!r}")
    _check_count("--dies", options.dies, _MOST_DIES)
    bits = _range(options.adc_bits)
    spec = [_spec(options, number) for number in bits][0]
    graph, content, inputs, seen = _read(options)
    if inputs.labels is None:
        raise UserError(f"{options.inputs} must have labels y")
    return Sweep(
        graph=graph,
        digest=digest_of(content, seen.tobytes()),
        preset=options.preset,
        spec=spec,
        images=inputs.codes,
        labels=inputs.labels,
        seen=seen,
        bits=bits,
        dies=range(options.dies),
        rules=rules,
        noise=_noise(options),
        static=not options.no_static,
        dynamic=not options.no_noise,
        calibrated=not options.no_calibration,
        recalibrate=options.recalibrate,
        keep_ends=options.keep_ends,
    )


def _spec(options: argparse.Namespace, adc_bits: int | None) -> CimSpec:
    """The preset with the changes of the command line."""
    given = {"adc_bits": adc_bits, "group": options.group, "dac_bits": options.dac_bits}
    changes: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    try:
        return find_preset(options.preset, **changes)
    except ValueError as error:
        raise UserError(str(error)) from None


def _noise(options: argparse.Namespace) -> list[float]:
    """``0,0.5,1``."""
    if options.no_noise and options.noise is not None:
        raise UserError("--noise must not be used with --no-noise, which is --noise 0")
    text = "1" if options.noise is None else options.noise
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        raise UserError(f"--noise must be numbers such as 0,0.5,1, not {text!r}")
    return found


def _range(text: str) -> list[int]:
    """``3..8``, ``7`` or ``4,6,8``."""
    first, dots, last = text.partition("..")
    try:
        ends = [whole(part.strip()) for part in ([first, last] if dots else text.split(","))]
    except argparse.ArgumentTypeError:
        ends = []
    values = range(ends[0], ends[1] + 1) if dots and ends else ends
    if not values:
        raise UserError(f"--adc-bits must be a number or a range such as 3..8, not {text!r}")
    # Later numbers are not needed: the preset refuses the first that is too large.
    return list(values[:_MOST_BITS])
