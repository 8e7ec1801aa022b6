"""ResNet-20, quantised by every policy: accuracy on the 10,000 CIFAR-10 test images.

``python -m examples.cifar10.policies [--policy NAME] [--json]``; the float file comes from
:mod:`examples.cifar10.resnet20`.
"""

from __future__ import annotations

from examples.cifar10.data import FOLDER, load, normalise
from examples.policy_table import Case, main
from flows.quantise import Labelled


def _case() -> Case:
    train, _ = load("train")
    test, labels = load("test")
    return Case(
        FOLDER / "resnet20_float.onnx",
        normalise(train[:1024]),
        Labelled(normalise(test), labels.astype("int64")),
    )


if __name__ == "__main__":
    main("accuracy of ResNet-20 by policy", {"resnet20": _case}, FOLDER / "policies")
