"""Post-training quantisation by published policies: float ONNX in, row formats in QDQ form out."""

from flows.quantise.calibration import Labelled, read_images, read_labelled
from flows.quantise.fitting import ROUNDINGS
from flows.quantise.float_network import FloatNetwork, read_float_network
from flows.quantise.measured_accuracy import float_accuracy, integer_accuracy
from flows.quantise.pipeline import Choices, Quantised, quantise_network
from flows.quantise.policies import POLICIES, find_policy
from flows.quantise.ratio import parse_ratio

__all__ = [
    "POLICIES",
    "ROUNDINGS",
    "Choices",
    "FloatNetwork",
    "Labelled",
    "Quantised",
    "find_policy",
    "float_accuracy",
    "integer_accuracy",
    "parse_ratio",
    "quantise_network",
    "read_float_network",
    "read_images",
    "read_labelled",
]
