"""FILM-QNN: 4 bits, and 8 bits for the rows with the largest output error."""

from __future__ import annotations

from flows.quantise.policies.base import Pick, Policy, Rows

__all__ = ["FilmQnn"]


class FilmQnn(Policy):
    """``fixed4:fixed8`` = 95:5 in every layer; first and last layer ``fixed8``.

    8 bits go to the rows whose outputs have the largest mean squared error on the calibration
    images when rounded to 4. That the ends are at 8 bits is this project's choice, as for
    ``int4``; ``--no-keep-ends`` treats them like the others.

    Source: Sun et al., "FILM-QNN: Efficient FPGA Acceleration of Deep Neural Networks with
    Intra-Layer, Mixed-Precision Quantization" (FPGA 2022).
    """

    name = "film-qnn"
    title = "fixed4 : fixed8, ends fixed8"
    source = "Sun et al., FPGA 2022"
    keep_ends = True

    @property
    def formats(self) -> tuple[str, ...]:
        return "fixed4", "fixed8"

    @property
    def ratio(self) -> tuple[float, ...]:
        return 95.0, 5.0

    def picks(self, rows: Rows) -> tuple[Pick, ...]:
        """Pick 8 bits by output error."""
        return (Pick("fixed8", rows.output_error("fixed4")),)
