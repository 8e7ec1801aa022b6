"""From a simulation to what its report shows."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from flows.mapper import MappedNetwork
from flows.report import ImageEntry, LayerEntry, Report, Span
from flows.run.activity import Interval, LayerActivity
from flows.run.simulation import Simulation
from models.machine.units import UNIT_NAMES

__all__ = ["incomplete", "report_of"]


def incomplete(simulation: Simulation) -> str | None:
    """One line if the timeline and the figures of the layers lack something, else None."""
    lost = simulation.images[0].events_lost
    if not lost:
        return None
    return (
        f"{lost:,} events of the first image found no room in the log: its timeline and the "
        "figures of its layers are incomplete"
    )


def report_of(
    simulation: Simulation, spans: Sequence[Interval], layers: Sequence[LayerActivity]
) -> Report:
    """The report of a simulation; the timeline and the layers are the first image's."""
    built = simulation.built
    spec = built.mapped.spec
    lack = incomplete(simulation)
    places = {one.layer.tag: index for index, one in enumerate(layers)}
    return Report(
        title=f"{built.manifest['network']['name']} on {built.board.title}",
        facts={
            "images": f"{len(simulation.images)}, {simulation.mismatches} with outputs that differ "
            "from the integer graph or the golden machine",
            "cycles per image": f"{simulation.cycles_per_image:,.0f}",
            "memory": simulation.memory.text(),
            "images a second": f"{simulation.frames_per_second:,.1f} at "
            f"{built.board.clock_mhz:g} MHz",
            "MAC utilisation": f"{100 * simulation.utilisation:.1f} %",
            **({"timeline": lack} if lack else {}),
        },
        images=tuple(
            ImageEntry(
                pixels=_picture(simulation.inputs.images[index]),
                label=None if image.label is None else str(image.label),
                prediction=str(image.prediction),
                scores=tuple(image.scores.tolist()),
                equal=image.equal,
                cycles=image.run.cycles,
            )
            for index, image in enumerate(simulation.images)
        ),
        layers=tuple(
            LayerEntry(
                name=one.layer.name,
                kind=one.layer.kind,
                shape=" x ".join(map(str, one.layer.shape)),
                macs=one.layer.macs,
                matrix_cycles=one.matrix_cycles,
                vector_cycles=one.vector_cycles,
                array_busy=one.array_busy,
                utilisation=one.utilisation,
            )
            for one in layers
        ),
        rows=UNIT_NAMES,
        spans=tuple(Span(s.unit, places.get(s.tag, -1), s.start, s.stop) for s in spans),
        cycles=simulation.images[0].run.cycles,
        parameters={
            "MAC per cycle": str(spec.macs_per_cycle),
            "scratchpad": f"{spec.scratchpad_words * spec.word_bytes:,} bytes, "
            f"{built.mapped.peak_words:,} of {spec.scratchpad_words:,} words used",
            "accumulator": f"{spec.acc_width} bits",
            **{
                name.replace("_", " "): str(value)
                for name, value in asdict(spec).items()
                if name != "classes"
            },
            **_classes(built.mapped),
            "device": built.board.part,
        },
    )


def _classes(mapped: MappedNetwork) -> dict[str, str]:
    """Row classes, and how much of their time their rows compute something."""
    use = mapped.row_use
    return {
        f"{kind.format} rows": f"{kind.rows}, in use {100 * use.get(kind.format, 0):.0f} % of "
        "their time"
        for kind in mapped.spec.classes
    }


def _picture(image: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """``[channels, height, width]`` as a grey or colour picture, or None if it is neither."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        return None
    return image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)
