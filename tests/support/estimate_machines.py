"""Random machines, as hypothesis strategies."""

from hypothesis import strategies as st

from models.formats import FORMATS
from models.formats.row_classes import RowClass
from models.machine.spec import MachineSpec


@st.composite
def machines(draw: st.DrawFn) -> MachineSpec:
    """A machine of any row classes."""
    lanes, tokens = draw(st.sampled_from((2, 4, 8, 16))), draw(st.sampled_from((1, 2, 4, 8)))
    vector_lanes = draw(st.sampled_from([v for v in (1, 2, 4, 8, 16) if 2 * v <= lanes * tokens]))
    names = draw(st.lists(st.sampled_from(sorted(FORMATS)), max_size=3, unique=True))
    names.sort(key=lambda name: not name.startswith("fixed"))
    if names:
        classes = [RowClass(n, 2 * vector_lanes * draw(st.integers(1, 3))) for n in names]
        rows = sum(kind.rows for kind in classes)
    else:
        classes, rows = [], max(2, lanes * tokens // draw(st.sampled_from((1, 2))))
    return MachineSpec(
        lanes=lanes,
        tokens=tokens,
        rows=rows,
        vector_lanes=vector_lanes,
        depth=lanes * draw(st.sampled_from((2, 17, 128, 256))),
        banks=draw(st.sampled_from((1, 2, 4, 8))),
        bank_words=draw(st.sampled_from((2, 512, 4096))),
        param_entries=draw(st.sampled_from((2, 256, 1024))),
        row_group=draw(st.sampled_from((2, 16, 64))),
        axi_width=draw(st.sampled_from((32, 64, 128))),
        queue_depth=draw(st.integers(2, 9)),
        act_bits=draw(st.integers(4, 8)) if names else 8,
        classes=tuple(classes),
    )
