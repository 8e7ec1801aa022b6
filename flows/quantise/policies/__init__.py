"""Published policies, which assign number formats to rows; one file each."""

from flows.quantise.policies.base import Pick, Policy, Rows
from flows.quantise.policies.policy_catalog import POLICIES, find_policy

__all__ = ["POLICIES", "Pick", "Policy", "Rows", "find_policy"]
