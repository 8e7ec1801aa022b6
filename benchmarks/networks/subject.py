"""One network with what does not depend on a machine: its graph, one image, and other opinions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.import_fuzz.quantised import session
from benchmarks.networks.network_files import digest, float_file, image, quantised_file
from benchmarks.networks.torch_networks import NETWORKS
from flows.onnx_import import load_network
from models.machine.memory import NEAR
from models.machine.spec import MachineSpec
from models.network.graph import IntegerGraph, run_graph
from models.numerics.rescale import Integers

__all__ = ["RATIO_MOST", "Subject"]

RATIO_MOST = 1.2
"""Of a transformer's distance from its float network, against that of onnxruntime's int8."""


@dataclass(frozen=True)
class Subject:
    """A network by its name and the folder that keeps its files; everything else when asked for."""

    name: str
    folder: Path
    machine: MachineSpec | None = None
    """Instead of the one that a build chooses."""
    memory: str = NEAR.name
    """Of simulation and estimate: a name of :data:`flows.boards.memory_port.MEMORIES`."""

    @cached_property
    def file(self) -> Path:
        """The quantised file; see :func:`benchmarks.networks.network_files.quantised_file`."""
        return quantised_file(self.name, self.folder)

    @cached_property
    def digest(self) -> str:
        """Of the quantised file."""
        return digest(self.file)

    @property
    def key(self) -> str:
        """What figures follow from, but for board and sources: file, and machine if it is given."""
        given = "" if self.machine is None else f" on {self.machine.fingerprint:08x}"
        return self.digest + given + ("" if self.memory == NEAR.name else f" {self.memory}")

    @cached_property
    def graph(self) -> IntegerGraph:
        """The integer graph.

        Raises
        ------
        flows.onnx_import.NetworkError
            If the file is refused.
        """
        return load_network(self.file)

    @cached_property
    def codes(self) -> Integers:
        """``[1, height, width, channels]`` the image."""
        entry = self.graph.tensors[self.graph.input]
        return entry.quantize(image(self.name).transpose(0, 2, 3, 1).astype(float))

    @cached_property
    def expected(self) -> Integers:
        """Codes of the output, by the integer graph."""
        expected: Integers = run_graph(self.graph, self.codes)[0]
        return expected

    @cached_property
    def opinions(self) -> dict[str, Any] | None:
        """How far onnxruntime is from the graph, in codes; of a transformer also the float network.

        Means are of absolute differences over all codes of the output.
        """
        started = time.process_time()
        kind = self.graph.tensors[self.graph.output]
        ours = kind.dequantize(self.expected).reshape(-1) / kind.scale
        theirs = self._by_onnxruntime(self.file) / kind.scale
        apart = np.abs(ours - theirs)
        found: dict[str, Any] = {
            "max_codes": round(float(apart.max()), 3),
            "mean_codes": round(float(apart.mean()), 4),
            "same_class": bool(ours.argmax() == theirs.argmax()),
        }
        if NETWORKS[self.name].transformer:
            real = self._by_onnxruntime(float_file(self.name, self.folder)) / kind.scale
            own = float(np.abs(ours - real).mean())
            other = float(np.abs(theirs - real).mean())
            found |= {
                "from_float": own,
                "onnxruntime_from_float": other,
                "ratio": own / other,
                "ratio_within": own <= RATIO_MOST * other,
            }
        return found | {"cpu_seconds": time.process_time() - started}

    def _by_onnxruntime(self, file: Path) -> NDArray[np.float64]:
        runtime = session(str(file))
        (scores,) = runtime.run(None, {"image": image(self.name)})
        return np.asarray(scores, dtype=np.float64).reshape(-1)
