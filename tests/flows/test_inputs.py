from pathlib import Path

import numpy as np
import pytest

from flows.errors import UserError
from flows.inputs import read_inputs
from models.quantized import TensorType

TENSOR = TensorType(shape=(3, 4, 2), scale=0.5, zero_point=3)


def save(path: Path, **arrays: object) -> Path:
    np.savez(path / "images.npz", **arrays)
    return path / "images.npz"


def images(count: int = 3) -> np.ndarray:
    return np.arange(count * 24, dtype=np.float32).reshape(count, 2, 3, 4)


def test_codes_are_channels_last(tmp_path: Path) -> None:
    path = save(tmp_path, x=images(), y=np.array([4, 5, 6], np.uint8))
    inputs = read_inputs(path, TENSOR, 2)
    assert inputs.codes.shape == (2, 3, 4, 2)
    assert inputs.codes[1, 2, 3, 0] == round(float(images()[1, 0, 2, 3]) / 0.5) + 3
    assert inputs.codes[0, 1, 2, 1] == round(float(images()[0, 1, 1, 2]) / 0.5) + 3
    assert inputs.labels.tolist() == [4, 5]
    np.testing.assert_array_equal(inputs.images, images()[:2])


def test_tokens_stay_as_they_are(tmp_path: Path) -> None:
    path = save(tmp_path, x=np.ones((1, 5, 6)))
    inputs = read_inputs(path, TensorType(shape=(5, 6)))
    assert inputs.codes.shape == (1, 5, 6)
    assert inputs.labels is None


@pytest.mark.parametrize(
    ("x", "y", "count", "text"),
    [
        (images().transpose(0, 2, 3, 1), None, 1, r"of shape [n, 2, 3, 4], not [3, 3, 4, 2]"),
        (images()[0], None, 1, r"of shape [n, 2, 3, 4], not [2, 3, 4]"),
        (images().astype(np.uint8), None, 1, "of a floating-point type, not uint8"),
        (images().astype(complex), None, 1, "of a floating-point type, not complex128"),
        (images(), None, 4, "count must be at most 3, the images of"),
        (images(), np.zeros(2, int), 1, "must be 3 integers, not int64 [2]"),
        (images(), np.zeros(3), 1, "must be 3 integers, not float64 [3]"),
    ],
)
def test_refused(tmp_path: Path, x: np.ndarray, y: object, count: int, text: str) -> None:
    path = save(tmp_path, x=x) if y is None else save(tmp_path, x=x, y=y)
    with pytest.raises(UserError) as error:
        read_inputs(path, TENSOR, count)
    assert text in str(error.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(tmp_path: Path, bad: float) -> None:
    x = images()
    x[1, 1, 2, 3] = bad
    path = save(tmp_path, x=x)
    with pytest.raises(UserError, match="must be finite, but image 1 has NaN or infinity"):
        read_inputs(path, TENSOR, 2)
    assert len(read_inputs(path, TENSOR, 1).codes) == 1


def test_no_such_array(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must have an array x, not only \['z'\]"):
        read_inputs(save(tmp_path, z=np.zeros(3)), TENSOR, 1)


@pytest.mark.parametrize("content", [b"", b"not a file of arrays", b"PK\x03\x04 broken"])
def test_no_such_file_format(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="must be an .npz file of plain arrays"):
        read_inputs(path, TENSOR, 1)


def test_a_plain_array(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images())
    with pytest.raises(UserError, match="must be an .npz file of plain arrays"):
        read_inputs(tmp_path / "images.npy", TENSOR, 1)


def test_objects_are_not_unpacked(tmp_path: Path) -> None:
    path = save(tmp_path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="must be an .npz file of plain arrays"):
        read_inputs(path, TENSOR, 1)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read .*absent.npz: No such file or directory"):
        read_inputs(tmp_path / "absent.npz", TENSOR, 1)
