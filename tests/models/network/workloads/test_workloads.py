"""Named networks against their published counts."""

from __future__ import annotations

import re

import pytest

from models.network.workloads import WORKLOADS, Kind, find_workload

WITH_STATISTICS = {"resnet-8", "ds-cnn", "vww"}
"""Networks whose published count has the running statistics of batch norms in it."""


@pytest.mark.parametrize("name", WORKLOADS)
def test_published_counts(name: str) -> None:
    """Parameters to the last one; multiply-accumulates to the digits of the source."""
    network = find_workload(name)
    extra = network.running_statistics if name in WITH_STATISTICS else 0
    assert network.parameters + extra == network.published_parameters
    digits = len(str(network.published_macs).rstrip("0"))
    unit = 10 ** (len(str(network.published_macs)) - digits)
    # Some sources round, some cut off; pooling and normalisation count for some.
    assert abs(network.macs - network.published_macs) <= max(unit, 0.005 * network.macs)


@pytest.mark.parametrize("name", WORKLOADS)
def test_shapes_follow_each_other(name: str) -> None:
    """A layer reads what one before it has written; names are unique."""
    network = find_workload(name)
    assert len({layer.name for layer in network.layers}) == len(network.layers)
    written = {3, 1}
    for layer in network.layers:
        assert layer.positions > 0
        if layer.kind is Kind.SCORES:
            assert layer.groups * layer.depth <= max(written)
        elif layer.kind not in (Kind.SOFTMAX, Kind.CONTEXT):
            assert layer.depth in written, layer.name
        written.add(layer.outputs)
        assert layer.outputs % (layer.groups if layer.weighted else 1) == 0


def test_unknown_names() -> None:
    listed = re.escape(", ".join(WORKLOADS))
    with pytest.raises(ValueError, match=f"^network must be a file or one of {listed}, not "
                       r"'resnet18'; did you mean 'resnet-18'\?$"):  # fmt: skip
        find_workload("resnet18")
