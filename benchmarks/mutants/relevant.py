"""Which tests look at which source: what a mutant is tried with, and what is mutated at all."""

from __future__ import annotations

from pathlib import Path

__all__ = ["RELEVANT", "TARGETS", "relevant", "sources"]

TARGETS = ("hdl", "models", "flows/mapper", "flows/onnx_import")
"""Folders whose files are mutated."""

MAPPER = (
    "tests/flows/mapper/test_place.py",
    "tests/flows/mapper/test_row_plan.py",
    "tests/flows/mapper/test_vector_ops.py",
    "tests/flows/mapper/test_operands.py",
    "tests/flows/mapper/test_emitter.py",
    "tests/flows/mapper/test_accesses.py",
    "tests/flows/mapper/test_order.py",
    "tests/flows/mapper/test_macs.py",
    "tests/flows/mapper/test_check.py",
    "tests/flows/mapper/test_mapped_on_golden.py",
)
IMPORT = ("tests/flows/onnx_import",)
OPS = (
    "tests/models/numerics/test_rescale.py",
    "tests/models/ops/test_ops_specs.py",
    "tests/models/ops/test_ops_against_reals.py",
    "tests/models/network/test_graph.py",
    "tests/models/network/test_cmsis_oracle.py",
    "tests/flows/mapper/test_mapped_on_golden.py",
)
CIM = ("tests/models/cim", "tests/flows/cim/test_macro_network.py")
ON_MACHINE = ("tests/flows/run/test_random_programs.py", "tests/flows/run/test_machine_refuses.py")
PROGRAM = (
    "tests/models/program",
    "tests/hdl/control/test_sequencer.py",
    "tests/flows/mapper/test_emitter.py",
    "tests/flows/mapper/test_mapped_on_golden.py",
)

RELEVANT: dict[str, tuple[str, ...]] = {
    "models/numerics": (
        *OPS,
        "tests/models/program/test_legal.py",
        "tests/flows/onnx_import/test_import_codes.py",
    ),
    "models/ops": OPS,
    "models/formats": (
        "tests/models/formats",
        "tests/models/machine/test_machine_spec.py",
        "tests/flows/mapper/test_row_plan.py",
    ),
    "models/machine": ("tests/models/machine", "tests/flows/mapper/test_row_plan.py"),
    "models/machine_spec.py": ("tests/models/machine",),
    "models/cost": ("tests/models/cost",),
    "models/network": (
        "tests/models/network/test_graph.py",
        "tests/flows/mapper/test_check.py",
        "tests/flows/mapper/test_mapped_on_golden.py",
    ),
    "models/network/workloads": (
        "tests/models/network/workloads",
        "tests/flows/mapper/test_macs.py",
    ),
    "models/graph.py": ("tests/models/network/test_graph.py",),
    "models/program": PROGRAM,
    "models/program/registers.py": (
        "tests/models/program",
        "tests/hdl/control/test_registers.py",
    ),
    "models/golden": (
        "tests/flows/mapper/test_mapped_on_golden.py",
        "tests/flows/mapper/test_check.py",
        "tests/flows/run/test_machine_refuses.py",
    ),
    "models/golden/macro_engine.py": (
        "tests/models/program/test_engine_items.py",
        "tests/hdl/cim/test_macro_engine.py",
    ),
    "models/cim": CIM,
    "flows/mapper": MAPPER,
    "flows/mapper/macro_layer.py": (
        "tests/flows/mapper/test_row_plan.py",
        "tests/flows/cim/test_macro_network.py",
    ),
    "flows/onnx_import": IMPORT,
    "hdl": ON_MACHINE,
    "hdl/emit.py": (
        "tests/hdl/test_emit.py",
        "tests/hdl/memory/test_scratchpad.py",
        "tests/flows/boards/test_project.py",
    ),
    "hdl/axi": ("tests/hdl/axi", "tests/hdl/units/test_load_unit.py"),
    "hdl/cim": ("tests/hdl/cim",),
    "hdl/control": ("tests/hdl/control", *ON_MACHINE),
    "hdl/engine": ("tests/hdl/engine", "tests/hdl/units/test_matrix_unit.py"),
    "hdl/memory": ("tests/hdl/memory",),
    "hdl/rows": ("tests/hdl/rows", "tests/hdl/engine/test_row_grid.py"),
    "hdl/top": ("tests/hdl/top", "tests/flows/boards/test_project.py"),
    "hdl/units/load_unit.py": ("tests/hdl/units/test_load_unit.py", *ON_MACHINE),
    "hdl/units/store_unit.py": ("tests/hdl/units/test_store_unit.py", *ON_MACHINE),
    "hdl/units/weight_unit.py": ("tests/hdl/units/test_weight_unit.py", *ON_MACHINE),
    "hdl/units/matrix_unit.py": ("tests/hdl/units/test_matrix_unit.py", *ON_MACHINE),
    "hdl/vector": ("tests/hdl/vector", *ON_MACHINE),
}
"""Tests by source file or folder; the longest name that fits counts."""


def sources(root: Path) -> list[str]:
    """Every file that is mutated, by its path from ``root``; not those that only pass names on."""
    files = [path for target in TARGETS for path in sorted((root / target).rglob("*.py"))]
    return [path.relative_to(root).as_posix() for path in files if path.name != "__init__.py"]


def relevant(root: Path, file: str) -> list[str]:
    """Test files for a source file, by their path from ``root``.

    Raises
    ------
    LookupError
        if the map has none for it, or names a test that is not there.
    """
    parts = file.split("/")
    names = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
    entry = next((RELEVANT[name] for name in names if name in RELEVANT), None)
    if entry is None:
        raise LookupError(f"{file} must have an entry in RELEVANT; add its tests there")
    found: list[str] = []
    for test in entry:
        path = root / test
        files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
        if not files or not files[0].exists():
            raise LookupError(f"{test} must be a test file or a folder of some, for {file}")
        found += [one.relative_to(root).as_posix() for one in files]
    return list(dict.fromkeys(found))
