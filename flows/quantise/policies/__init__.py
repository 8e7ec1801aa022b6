"""Published policies: which row gets which number format. One file each."""

from flows.quantise.policies.base import Pick, Policy, Rows
from flows.quantise.policies.policy_catalog import POLICIES, find_policy

__all__ = ["POLICIES", "Pick", "Policy", "Rows", "find_policy"]
