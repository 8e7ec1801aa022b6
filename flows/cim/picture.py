"""Pictures; matplotlib is only imported to make one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from flows.cim.characteristic import Characteristic
from flows.errors import UserError
from flows.work.atomic import output_file

KINDS = (".png", ".pdf", ".svg")


def available() -> bool:
    """Whether pictures can be made."""
    return find_spec("matplotlib") is not None


def require(path: Path) -> None:
    """Make sure that a file of pictures can be drawn, before what it is to show is computed.

    Raises
    ------
    UserError
        If matplotlib is not installed, or the file's name asks for another kind of file.
    """
    if not available():
        raise UserError("a picture needs matplotlib: pip install 'rowmac[plot]'")
    if path.suffix.lower() not in ("", *KINDS):
        raise UserError(f"--plot must be a {', '.join(KINDS[:-1])} or {KINDS[-1]} file, not {path}")


def plot_die(found: Characteristic, path: Path, title: str) -> None:
    """Transfer, INL, DNL, noise, residual: six panels."""
    figure, axes = _figure(2, 3)
    transfer, inl, dnl = axes[0]
    noise, before, after = axes[1]
    few = np.linspace(0, len(found.codes) - 1, min(8, len(found.codes))).astype(int)
    transfer.plot(found.counts, found.codes[few].T, linewidth=0.7)
    _label(transfer, "transfer of some columns", "counts", "mean code")
    for axis, values, name in ((inl, found.inl, "INL"), (dnl, found.dnl, "DNL")):
        codes = np.arange(1, values.shape[1] + 1)
        if values.size:
            axis.fill_between(codes, values.min(0), values.max(0), alpha=0.3, linewidth=0)
            axis.plot(codes, values.mean(0), linewidth=1)
        _label(axis, f"{name}: mean and range of columns", "code", "LSB")
    codes, times = np.unique(found.noise, return_counts=True)
    noise.bar(codes, times / times.sum())
    _label(noise, "codes of one known sum", "code", "share")
    for axis, errors, name in (
        (before, found.before, "before"),
        (after, found.after, "after"),
    ):
        axis.hist2d(found.true, errors, bins=(64, 64), cmap="viridis", cmin=1)
        _label(axis, f"residual {name} calibration", "true value, LSB", "error, LSB")
    _save(figure, path, title)


def plot_accuracy(found: Sequence[dict[str, Any]], exact: float, path: Path, title: str) -> None:
    """Accuracy against converter bits, a line for each step rule and noise, bars over dies."""
    require(path)
    figure, ((axis,),) = _figure(1, 1)
    several = len({entry["noise"] for entry in found}) > 1
    for rule, noise in dict.fromkeys((entry["rule"], entry["noise"]) for entry in found):
        mine = [entry for entry in found if (entry["rule"], entry["noise"]) == (rule, noise)]
        axis.errorbar(
            [entry["bits"] for entry in mine],
            [entry["mean"] for entry in mine],
            yerr=[entry["spread"] for entry in mine],
            marker="o",
            capsize=3,
            label=f"{rule} step" + (f", noise x {noise:g}" if several else ""),
        )
    axis.axhline(exact, linestyle="--", color="black", label="exact products")
    axis.legend()
    _label(axis, title, "ADC bits", "accuracy, %")
    _save(figure, path, "")


def _figure(rows: int, columns: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * columns + 1, 3.2 * rows + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _label(axis: Any, title: str, x: str, y: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def _save(figure: Any, path: Path, title: str) -> None:
    if title:
        figure.suptitle(title)
    with output_file(path) as scratch:
        figure.savefig(scratch, dpi=130, format=path.suffix.lstrip(".").lower() or "png")
