"""Published systems as specs of this array model. Each has a page in ``docs/systems``.

Figures are the paper's where it states them; the others are this project's choices, marked so on
the system's page. A preset models only the arithmetic and the kinds of error of a paper's design.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.cim.cim_spec import CimSpec, Decomposition
from models.cim.physics import Physics

_MIM_65 = Physics(unit_cap_ff=2.0, density_ff_um2=1.5, mismatch_percent_um=1.0, parasitic_ff=40.0)

_CAP_RAM = CimSpec(
    # Eight 6T cells share one capacitor: 64 units of 512 rows compute at a time.
    rows=512,
    columns=128,
    cells_per_unit=8,
    decomposition=Decomposition.NATIVE,
    dac_bits=3,
    adc_bits=7,
    physics=replace(_MIM_65, bow_lsb=2.5, comparator_noise_mv=0.5, comparator_offset_mv=5.0),
)

_RELU_MACRO = CimSpec(
    rows=576,
    columns=64,
    decomposition=Decomposition.NATIVE,
    cell_bits=8,
    dac_bits=8,
    adc_bits=8,
    fraction=5,
    relu=True,
    # Comparator errors are after the gain of the programmable full scale, so they are small.
    physics=replace(_MIM_65, comparator_noise_mv=0.02, comparator_offset_mv=0.02, bow_lsb=1.0),
)

_PIM_QAT = CimSpec(
    rows=144,
    columns=512,
    group=144,
    dac_bits=1,
    adc_bits=7,
    physics=replace(
        _MIM_65, comparator_noise_mv=1.0, curve_lsb=(0.0, 0.4, 0.5, 0.1, -0.3, -0.6, -0.5, -0.1)
    ),
)

_FORMS = CimSpec(
    # A fragment is a column of its own sub-array.
    rows=8,
    columns=512,
    decomposition=Decomposition.POLARISED,
    cell_bits=2,
    dac_bits=1,
    adc_bits=4,
    zero_skip=True,
    physics=replace(_MIM_65, comparator_noise_mv=1.0, parasitic_ff=20.0),
)

_SYSTEMS: dict[str, CimSpec] = {
    "cap-ram": _CAP_RAM,
    "cap-ram:differential": replace(_CAP_RAM, decomposition=Decomposition.DIFFERENTIAL),
    "relu-macro": _RELU_MACRO,
    "pim-qat": _PIM_QAT,
    "pim-qat:differential": replace(
        _PIM_QAT, decomposition=Decomposition.DIFFERENTIAL, cell_bits=2, dac_bits=2
    ),
    "pim-qat:native": replace(
        _PIM_QAT, decomposition=Decomposition.NATIVE, cell_bits=4, dac_bits=4, group=16
    ),
    "forms": _FORMS,
    "forms:4": replace(_FORMS, rows=4),
    "forms:16": replace(_FORMS, rows=16),
}

PRESETS: dict[str, CimSpec] = _SYSTEMS | {
    f"{name}:unskipped": replace(spec, zero_skip=False)
    for name, spec in _SYSTEMS.items()
    if spec.zero_skip
}
"""Every preset by name; a suffix after a colon names a variant."""


def find_preset(name: str, **changes: Any) -> CimSpec:
    """Return the spec of a preset, with some of its fields changed.

    Raises
    ------
    ValueError
        If the name is unknown, or if the changed spec is invalid.
    """
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    return replace(PRESETS[name], **changes)
