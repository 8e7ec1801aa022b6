"""What the mapper tells of a descriptor's accesses covers what its fields say it touches.

The order of a program is made from what is told. A range that is too short may still be ordered, by
chance, by the other tokens of this program: so ranges are looked at themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from flows.mapper import map_network
from flows.mapper.emitter import Access, Emitter
from models.machine.spec import MachineSpec
from models.machine.units import Unit
from models.program.descriptor import Descriptor
from models.program.layout import VectorOp
from tests.support.addresses import touched
from tests.support.random_networks import KINDS, random_network
from tests.support.specs import MIXED, ODD, SMALL

SPACES = {"function table": "function tables", "row table": "row tables"}
"""Names of memories in the mapper, where they are not those of the judge."""


@pytest.mark.parametrize("spec", [SMALL, ODD, MIXED], ids=["small", "odd", "mixed"])
def test_told_accesses_cover_what_is_touched(
    spec: MachineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[Descriptor, list[Access]]] = []
    add = Emitter.add

    def listening(
        emitter: Emitter, unit: Unit, fields: dict[str, int], accesses: Iterable[Access]
    ) -> None:
        own = list(accesses)
        add(emitter, unit, fields, own)
        told.append((emitter.descriptors[-1], own))

    monkeypatch.setattr(Emitter, "add", listening)
    for kind in KINDS:
        for seed in range(12):
            map_network(random_network(kind, seed, spec.classes), spec, trace=bool(seed % 2))
    seen = dict.fromkeys(set(Unit) - {Unit.END}, 0)
    for one, accesses in told:
        by_order = spec.scatter and one.fields.get("op") == VectorOp.DRAIN
        for memory, addresses, write in touched(spec, one):
            if by_order and write:
                continue  # The row order says where results go, not the fields.
            space = SPACES.get(memory, memory)
            covered = np.zeros(len(addresses), dtype=bool)
            for access in accesses:
                if access.space == space and access.write == write:
                    covered |= (addresses >= access.start) & (addresses < access.stop)
            left = addresses[~covered]
            verb = "writes" if write else "reads"
            assert not len(left), f"{one.unit.name} {verb} {memory} {left[0]}, told {accesses}"
            seen[one.unit] += len(addresses)
    few = [unit.name for unit, count in seen.items() if count <= 500]
    assert not few, (
        f"random networks must use the memories of {', '.join(few)} more than 500 times: add "
        "layers to tests/support/random_layers.py; leave a unit that touches none out of `seen`"
    )
