"""Published policies: which row gets which number format. One file each."""

from .base import Pick, Policy, Rows
from .catalog import POLICIES, find_policy

__all__ = ["POLICIES", "Pick", "Policy", "Rows", "find_policy"]
