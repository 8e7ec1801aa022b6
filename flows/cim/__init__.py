"""Quantised networks on a charge-domain macro: windows, runs, accuracy, figures."""

from __future__ import annotations

from flows.cim.network import MacroNetwork, prepare
from flows.cim.windows import RULES

__all__ = ["RULES", "MacroNetwork", "prepare"]
