"""Number formats of weight rows: code books with an exact integer meaning."""

from models.formats.catalog import FORMATS, find_format
from models.formats.code_book import CodeBook
from models.formats.elastic import ElasticSignificantBits, power_of_two
from models.formats.fixed import Binary, Fixed, Ternary
from models.formats.sum_of_powers import SumOfPowersOfTwo

__all__ = [
    "FORMATS",
    "Binary",
    "CodeBook",
    "ElasticSignificantBits",
    "Fixed",
    "SumOfPowersOfTwo",
    "Ternary",
    "find_format",
    "power_of_two",
]
