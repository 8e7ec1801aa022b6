"""Post-training quantisation by published policies: float ONNX in, row formats in QDQ form out."""

from .accuracy import float_accuracy, integer_accuracy
from .calibration import Labelled, read_images, read_labelled
from .fitting import ROUNDINGS
from .float_network import FloatNetwork, read_float_network
from .pipeline import Choices, Quantised, quantise_network
from .policies import POLICIES, find_policy
from .ratio import parse_ratio

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
