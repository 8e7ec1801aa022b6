"""Quantised networks on a charge-domain macro: windows, runs, accuracy, figures."""

from __future__ import annotations

from flows.cim.adc_steps import RULES
from flows.cim.macro_network import MacroNetwork, prepare

__all__ = ["RULES", "MacroNetwork", "prepare"]
