"""Progress on standard error: a live line on a terminal, else a line for each stage and image."""

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from flows.cli.output import printable, tell

__all__ = ["SimulationProgress", "StageProgress"]


class SimulationProgress:
    """Context that shows how far a simulation of ``count`` images is."""

    def __init__(self, count: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal
        self._count = count
        self._stage = ""
        self._begin = time.monotonic()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[detail]}"),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._bar.add_task("starting", total=count, detail="")

    def __enter__(self) -> "SimulationProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def stage(self, stage: str, done: int, cycles: int) -> None:
        """Show the stage, the images that are done, and the cycles of the current image."""
        detail = f"{cycles:,} cycles" if cycles else ""
        self._bar.update(
            self._task, description=escape(printable(stage)), completed=done, detail=detail
        )
        if stage != self._stage and not self._live:
            tell(f"{stage} ...")
        self._stage = stage

    def image(self, index: int, text: str) -> None:
        """Show the result of an image."""
        self._bar.update(self._task, completed=index + 1, detail="")
        seconds = time.monotonic() - self._begin
        line = f"image {index + 1} of {self._count} after {seconds:.0f} s: {text}"
        if self._live:
            self._console.print(line)
        else:
            tell(line)


class StageProgress:
    """Context that shows how far each of several stages is.

    Parameters
    ----------
    remaining : bool
        Whether it also shows the time that a stage will still take.
    """

    def __init__(self, *, remaining: bool = False) -> None:
        console = Console(stderr=True, highlight=False)
        self._live = console.is_terminal
        self._stage = ""
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            *([TimeRemainingColumn(elapsed_when_finished=True)] if remaining else []),
            console=console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._bar.add_task("starting", total=None)

    def __enter__(self) -> "StageProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def stage(self, stage: str, done: int, total: int) -> None:
        """Show the stage and its progress."""
        # A layer's name may hold brackets, which rich would read, or control characters.
        shown = escape(printable(stage))
        if stage != self._stage:
            # Each stage has its own speed.
            self._bar.reset(self._task, description=shown, completed=done, total=total)
        self._bar.update(self._task, description=shown, completed=done, total=total)
        if stage != self._stage and not self._live:
            tell(f"{stage} ...")
        self._stage = stage
