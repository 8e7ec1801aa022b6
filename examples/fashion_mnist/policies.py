"""Both Fashion-MNIST networks, quantised by every policy: accuracy on 10,000 test images.

``python -m examples.fashion_mnist.policies [vit resnet] [--policy NAME] [--json]``; the float files
come from :mod:`examples.fashion_mnist.quantise`.
"""

from __future__ import annotations

from pathlib import Path

from examples.fashion_mnist.data import load, normalise
from examples.policy_table import Case, main
from flows.quantise import Labelled

_FOLDER = Path("build/fashion_mnist")


def _case(name: str) -> Case:
    train, _ = load("train")
    test, labels = load("test")
    return Case(
        _FOLDER / f"{name}_float.onnx",
        # A few more than are used, from the front: what every run calibrates on.
        normalise(train[:1024]),
        Labelled(normalise(test), labels.astype("int64")),
    )


if __name__ == "__main__":
    main(
        "accuracy of the Fashion-MNIST networks by policy",
        {"vit": lambda: _case("vit"), "resnet": lambda: _case("resnet")},
        _FOLDER / "policies",
    )
