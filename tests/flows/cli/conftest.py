"""A built folder for the tests of ``rowmac simulate``."""

from pathlib import Path

import pytest

from flows.boards import find
from flows.out_folder.build import build

EXAMPLES = Path(__file__).parents[3] / "examples" / "fashion_mnist"


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("built") / "out"
    build(EXAMPLES / "resnet_int8.onnx", find("arty-z7-20"), built)
    return built
