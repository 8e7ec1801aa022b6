"""``rowmac formats`` on the command line."""

import json

import pytest

from flows.cli import main
from models.formats import FORMATS

Capture = pytest.CaptureFixture[str]


def test_every_format_is_a_line(capsys: Capture) -> None:
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == list(FORMATS)
    words = {line.split()[0]: line.split() for line in lines}
    # Four bits of powers of two: 0 and seven powers of each sign, the largest 2**6.
    assert words["pot4"][1:5] == ["4", "15", "64", "no"]
    assert words["fixed8"][1:5] == ["8", "256", "128", "yes"]


def test_every_block_is_named(capsys: Capture) -> None:
    assert main(["formats"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["fixed4"].endswith("DSP slices, several products each")
    assert lines["binary"].endswith("LUTs: sums and differences")
    assert lines["esb4.1"].endswith("LUTs: shifts of small multiples")
    assert lines["esb5.3"].endswith("DSP slices, one product each")


def test_values_of_one(capsys: Capture) -> None:
    assert main(["formats", "ternary"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "ternary: 2 bits; a row is built as LUTs: shifts of small multiples"
    assert [line.split() for line in lines[2:]] == [["0", "0"], ["1", "1"], ["2", "0"], ["3", "-1"]]


def test_as_json(capsys: Capture) -> None:
    assert main(["formats", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["formats"]
    assert [one["name"] for one in listed] == list(FORMATS)
    assert main(["formats", "ternary", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert one in listed
    assert one == {
        "name": "ternary",
        "bits": 2,
        "values": [0, 1, 0, -1],
        "largest": 1,
        "activations": False,
        "block": "shift",
    }


def test_a_name_that_is_none(capsys: Capture) -> None:
    assert main(["formats", "fixed9"]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("rowmac: row format must be one of fixed2, ")
    assert out.err.endswith(", not 'fixed9'; did you mean 'fixed8'?\n")
