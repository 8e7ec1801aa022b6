"""Parameters a macro cannot have are refused in one line."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.die import make_die
from models.cim.golden.adc import Window, unit_step
from models.cim.golden.macro import When, dot_product
from models.cim.physics import Physics


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"unit_cap_ff": -1.0}, "capacitance must be more than 0 fF, not -1"),
        ({"unit_cap_ff": float("nan")}, "capacitance must be a number, not nan"),
        ({"comparator_noise_mv": -0.5}, "comparator_noise_mv must be at least 0, not -0.5"),
        ({"supply_mv": 0}, "supply must be more than 0 mV, not 0"),
    ],
)
def test_physics(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        Physics(**given)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"adc_bits": 0}, "ADC bits must be 1 to 10, not 0"),
        ({"adc_bits": 11}, "ADC bits must be 1 to 10, not 11"),
        ({"adc_bits": 6.5}, "ADC bits must be 1 to 10, not 6.5"),
        ({"dac_bits": 9}, "DAC bits must be 1 to 8, not 9"),
        ({"act_bits": 4, "dac_bits": 5}, "DAC bits must be at most 4, not 5"),
        ({"rows": 64, "group": 65}, "group must be at most the array's 64 units deep, not 65"),
        ({"rows": 64, "cells_per_unit": 3}, "cells_per_unit must divide 64 rows, not 3"),
        ({"cell_bits": 2}, "cell_bits of a bit-serial macro must be 1, not 2"),
        ({"relu": True}, "relu must be of a native macro with one conversion a product"),
        (
            {"decomposition": Decomposition.NATIVE, "cell_bits": 8, "dac_bits": 8},
            "fraction must keep column sums within 30 bits, not 8 for 8355840 counts",
        ),
        ({"decomposition": "native"}, "decomposition must be a Decomposition, not 'native'"),
    ],
)
def test_spec(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        CimSpec(**given)


def test_window_and_die() -> None:
    with pytest.raises(ValueError, match="ADC step must be at least 1, not 0"):
        Window(step=0)
    with pytest.raises(ValueError, match=re.escape("die must be 0 to 2**31 - 1, not -1")):
        make_die(CimSpec(), -1)


def _product(acts: Any, weights: Any, spec: CimSpec, **more: Any) -> None:
    die = make_die(spec, 0)
    dot_product(acts, weights, die=die, window=more.pop("window", unit_step(spec)), **more)


def test_operands() -> None:
    spec = CimSpec(rows=4, columns=8, weight_bits=4, act_bits=4)
    ones = np.ones((2, 4), dtype=int)
    with pytest.raises(ValueError, match="weights must be -8 to 7 of 4 bits"):
        _product(ones, ones * 8, spec)
    with pytest.raises(ValueError, match="activations must be 0 to 15 of 4 bits"):
        _product(-ones, ones, spec)
    with pytest.raises(ValueError, match=r"operands must be \[n, k\] and \[out, k\]"):
        _product(ones, ones[:, :3], spec)
    with pytest.raises(ValueError, match="tokens must divide 2 vectors, not 3"):
        _product(ones, ones, spec, when=When(tokens=3))
    with pytest.raises(ValueError, match="columns must be at least the 4 slices of a weight"):
        _product(ones, ones * 7, CimSpec(rows=4, columns=3))


def test_polarised_groups() -> None:
    spec = CimSpec(rows=4, decomposition=Decomposition.POLARISED)
    weights = np.array([[1, 1, 1, 1, -1, -1, -1, -1], [1, 1, 1, 1, 2, 2, -1, 2]])
    acts = np.ones((1, 8), dtype=int)
    with pytest.raises(ValueError, match="weights of row 1, elements 4 and up, must have one sign"):
        _product(acts, weights, spec)


def test_whole_products() -> None:
    relu = CimSpec(
        rows=8, decomposition=Decomposition.NATIVE, cell_bits=8, dac_bits=8, relu=True, fraction=4
    )
    with pytest.raises(ValueError, match="product of a relu macro must be at most 8 deep, not 9"):
        _product(np.ones((1, 9), dtype=int), np.ones((1, 9), dtype=int), relu)
    skip = CimSpec(rows=8, zero_skip=True)
    ones = np.ones((1, 8), dtype=int)
    with pytest.raises(ValueError, match="must be a multiple of the step 256, not 100"):
        _product(ones, ones, skip, window=Window(step=256, offset=100))


def test_a_bias_joins_one_sum_an_output() -> None:
    """Two columns of an output would each convert the bias."""
    spec = CimSpec(
        rows=8, decomposition=Decomposition.DIFFERENTIAL, cell_bits=8, dac_bits=8, fraction=4
    )
    ones = np.ones((1, 8), dtype=int)
    text = "product with a bias must have one column an output, not 2"
    with pytest.raises(ValueError, match=f"^{text}$"):
        _product(ones, ones, spec, bias=np.array([3]))
