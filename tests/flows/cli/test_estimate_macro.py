"""``rowmac estimate --engine cim:PRESET``."""

import json
from pathlib import Path

import pytest

from flows.cli import main

CNN = str(Path(__file__).resolve().parents[3] / "examples" / "fashion_mnist" / "resnet_int8.onnx")
Capture = pytest.CaptureFixture[str]


def test_layers_add_up(capsys: Capture) -> None:
    """Cycles and conversions of a layer; more slices of activations, more conversions."""
    found = {}
    for preset in ("relu-macro", "cap-ram"):
        arguments = ["estimate", "--engine", f"cim:{preset}", "--network", CNN]
        assert main([*arguments, "--json"]) == 0
        network = json.loads(capsys.readouterr().out)["network"]
        assert network["cycles"] == sum(one["cycles"] for one in network["layers"])
        found[preset] = {one["name"]: one for one in network["layers"]}
        assert main(arguments) == 0
        assert (
            f"{network['cycles']:,} cycles an image with the memory near (estimate"
            in capsys.readouterr().out
        )
    for name, one in found["relu-macro"].items():
        other = found["cap-ram"][name]
        assert one["conversions"] * 3 <= other["conversions"]
        assert (one["bound"] == "digital") == (one["conversions"] == 0)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--engine", "cim:relu-macro"], "--engine cim:PRESET must come with --network FILE.onnx"),
        (["--engine", "cim:relu-macro", "--network", "deit-tiny"], "must come with --network FILE"),
        (["--engine", "cim:cap-rom", "--network", CNN], "--engine: preset must be one of cap-ram"),
        (
            ["--engine", "cim:cap-ram", "--network", CNN, "--lanes", "8"],
            "--lanes must be of a machine with --engine digital",
        ),
        (
            ["--engine", "cim:cap-ram", "--network", CNN, "--synthesise"],
            "--synthesise must be of a machine with --engine digital",
        ),
        (["--engine", "cim"], "--engine must be digital or cim:PRESET, such as cim:relu-macro"),
    ],
)
def test_refusals(more: list[str], text: str, capsys: Capture) -> None:
    assert main(["estimate", *more]) == 2
    err = capsys.readouterr().err
    assert text in err
    assert err.count("\n") == 1
