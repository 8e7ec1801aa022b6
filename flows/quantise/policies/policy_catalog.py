"""Every policy by name."""

from __future__ import annotations

import difflib

from flows.errors import UserError
from flows.quantise.policies.auto_vit_acc import AutoVitAcc
from flows.quantise.policies.base import Policy
from flows.quantise.policies.esb import Esb
from flows.quantise.policies.f8net import F8Net
from flows.quantise.policies.film_qnn import FilmQnn
from flows.quantise.policies.msq import Msq
from flows.quantise.policies.rmsmp import Ilmpq, Rmsmp
from flows.quantise.policies.uniform import Int4, Int8
from flows.quantise.policies.vaqf import Vaqf

__all__ = ["POLICIES", "find_policy"]

POLICIES: dict[str, type[Policy]] = {
    kind.name: kind
    for kind in (Int8, Int4, Rmsmp, Ilmpq, FilmQnn, AutoVitAcc, Msq, Vaqf, Esb, F8Net)
}


def find_policy(name: str, weight_bits: int | None = None) -> Policy:
    """Return the policy of this name.

    Parameters
    ----------
    weight_bits
        None for the policy's default.

    Raises
    ------
    UserError
        If there is no such policy, or if it does not support a choice of weight bits.
    """
    if name not in POLICIES:
        close = difflib.get_close_matches(name, POLICIES, 1, 0.4)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UserError(f"policy must be one of {', '.join(POLICIES)}, not {name!r}{hint}")
    kind = POLICIES[name]
    if weight_bits is None:
        return kind()
    if kind is not AutoVitAcc:
        raise UserError(
            f"weight bits must be given for the policy {AutoVitAcc.name} only, not for {name}"
        )
    try:
        return AutoVitAcc(weight_bits)
    except ValueError as error:
        raise UserError(str(error)) from None
