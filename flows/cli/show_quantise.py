"""Work and output of ``rowmac quantise``."""

import argparse
from collections import Counter
from typing import Any

from flows.cli.progress import StageProgress
from flows.cli.table import table
from flows.errors import UserError
from flows.onnx_import import NetworkError
from flows.quantise import (
    Choices,
    Labelled,
    Quantised,
    find_policy,
    float_accuracy,
    integer_accuracy,
    parse_ratio,
    quantise_network,
    read_float_network,
    read_images,
    read_labelled,
)
from flows.work.atomic import output_file

__all__ = ["show"]


def show(options: argparse.Namespace) -> tuple[Any, int]:
    """Quantise, check, write, print.

    Raises
    ------
    UserError
        If an argument is wrong, or the importer refuses the network.
    """
    choices = _choices(options)
    network = read_float_network(options.network)
    images = read_images(options.calibration, network)
    labelled = None if options.labelled is None else read_labelled(options.labelled, network)
    before = after = None
    with StageProgress() as progress, output_file(options.output) as scratch:
        quantised = quantise_network(network, images, choices, progress.stage)
        scratch.write_bytes(quantised.model.SerializeToString(deterministic=True))
        none = images[:0]
        test = labelled or Labelled(none, none.reshape(0).astype("int64"))
        total = len(test.images)
        try:
            # Also without labels, so that every file that is written can be imported.
            after = integer_accuracy(
                scratch, test, lambda done: progress.stage("integer graph", done, total)
            )
        except NetworkError as error:
            raise UserError(f"quantised network must be one rowmac can import: {error}") from None
        if labelled is not None:
            before = float_accuracy(
                network, labelled, lambda done: progress.stage("float network", done, total)
            )
    facts = {
        "network": network.name,
        "output": str(options.output),
        "policy": choices.facts(),
        "calibration_images": len(images),
        "layers": [
            {"name": layer.name, "rows": dict(Counter(fitted.formats))}
            for layer, fitted in quantised.layers
        ],
        "images": total,
        "accuracy": None if labelled is None else {"float": before, "quantised": after},
    }
    if not options.json:
        _print(options, choices, quantised, facts)
    return facts, 0


def _choices(options: argparse.Namespace) -> Choices:
    policy = find_policy(options.policy, options.weight_bits)
    if options.group < 0:
        raise UserError(f"group must be a number of rows, or 0, not {options.group}")
    if not 4 <= options.activation_bits <= 8:
        raise UserError(f"activation bits must be 4 to 8, not {options.activation_bits}")
    return Choices(
        policy=policy,
        ratio=parse_ratio(options.ratio, policy),
        group=options.group,
        activation_bits=options.activation_bits,
        rounding=options.rounding,
        keep_ends=options.keep_ends,
    )


def _print(
    options: argparse.Namespace, choices: Choices, quantised: Quantised, facts: dict[str, Any]
) -> None:
    counts = [Counter(fitted.formats) for _, fitted in quantised.layers]
    kinds = sorted({kind for count in counts for kind in count})
    rows = [
        (layer.name, layer.rows, *(count[kind] for kind in kinds))
        for (layer, _), count in zip(quantised.layers, counts, strict=True)
    ]
    total = ("all", sum(c.total() for c in counts), *(sum(c[k] for c in counts) for k in kinds))
    print(table(("layer", "rows", *kinds), [*rows, total]))
    ratio = ":".join(f"{share:g}" for share in choices.ratio)
    shares = f" {':'.join(choices.policy.formats)} = {ratio}" if len(choices.ratio) > 1 else ""
    print(f"\n{options.output}: {facts['network']} by {choices.policy.name}{shares}")
    print(f"  source    {choices.policy.source}")
    if facts["accuracy"] is not None:
        before, after = facts["accuracy"]["float"], facts["accuracy"]["quantised"]
        print(
            f"  accuracy  {100 * before:.2f} % in float, {100 * after:.2f} % as integers, on "
            f"{facts['images']:,} images"
        )
