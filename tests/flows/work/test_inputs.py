import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.errors import UserError
from flows.work.inputs import read_inputs
from models.numerics.quantized import TensorType

TENSOR = TensorType(shape=(3, 4, 2), scale=0.5, zero_point=3)


def save(path: Path, **arrays: Any) -> Path:
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
    assert inputs.labels is not None
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


@pytest.mark.parametrize("value", [1e308, -1e308, np.longdouble("1e4000")])
def test_numbers_beyond_those_of_the_network(tmp_path: Path, value: float) -> None:
    """Warnings are errors in this suite: nothing may overflow on the way to the message."""
    x = images().astype(type(value) if isinstance(value, np.longdouble) else float)
    x[1, 1, 2, 3] = value
    path = save(tmp_path, x=x)
    with pytest.raises(UserError) as error:
        read_inputs(path, TENSOR, 2)
    assert str(error.value) == (
        f"x of {path} must be numbers of 32 bits, up to 3.4e+38, but image 1 has a larger one"
    )
    assert len(read_inputs(path, TENSOR, 1).codes) == 1


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_largest_numbers_are_the_largest_codes(tmp_path: Path, kind: type[np.floating]) -> None:
    x: np.ndarray = images().astype(kind)
    x[0, 0, 0, :2] = float(np.finfo(np.float32 if kind is np.float64 else kind).max), -60_000
    codes = read_inputs(save(tmp_path, x=x), TENSOR, 1).codes
    assert codes[0, 0, :2, 0].tolist() == [127, -128]


def test_no_such_array(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must have an array x, not only \['z'\]"):
        read_inputs(save(tmp_path, z=np.zeros(3)), TENSOR, 1)


@pytest.mark.parametrize("content", [b"", b"not a file of arrays", b"PK\x03\x04 broken"])
def test_no_such_file_format(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="must be an .npz file of plain arrays"):
        read_inputs(path, TENSOR, 1)


def array(header: bytes) -> bytes:
    """An .npy file with any text as its header."""
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)


def zipped(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, content)


def patched(path: Path, offset: int, value: bytes) -> None:
    """Change the fields of the only member: in its own header, and in the directory."""
    content = bytearray(path.read_bytes())
    for at in (offset, content.index(b"PK\x01\x02") + offset + 2):
        content[at : at + len(value)] = value
    path.write_bytes(content)


HEADERS = {
    "brackets": b"{'descr': '<f4', 'fortran_order': False, 'shape': ((((1, }",
    "python 2": b"{'descr': '<f4', 'fortran_order': False, 'shape': (3L,), 'more': (((}",
    "type": b"{'descr': '<q9', 'fortran_order': False, 'shape': (3,)}",
    "negative": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
    "nested": b"(" * 110,
    "short": b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1000)}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_damaged_headers(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "images.npz"
    zipped(path, "x.npy", array(header))
    with pytest.raises(UserError) as error:
        read_inputs(path, TENSOR, 1)
    assert str(error.value) == f"{path} must be an .npz file of plain arrays"


def test_an_array_without_end(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    shape = b"(%d,)" % (1 << 60)
    zipped(path, "x.npy", array(b"{'descr': '<f4', 'fortran_order': False, 'shape': %s}" % shape))
    with pytest.raises(UserError) as error:
        read_inputs(path, TENSOR, 1)
    assert str(error.value) == f"arrays of {path} must fit into the memory of this computer"


@pytest.mark.parametrize("name", ["x", "x.npy", "y"])
def test_members_that_are_no_arrays(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, **({"x": images()} if name == "y" else {}))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, b"text")
    with pytest.raises(UserError, match="must be an .npz file of plain arrays"):
        read_inputs(path, TENSOR, 1)


@pytest.mark.parametrize(("offset", "value"), [(6, b"\x01\x00"), (8, b"\x63\x00")])
def test_encrypted_or_in_an_unknown_way_compressed(
    tmp_path: Path, offset: int, value: bytes
) -> None:
    """Flag 1 of a member, or method 99."""
    path = save(tmp_path, x=images())
    assert read_inputs(path, TENSOR, 1).codes.any()
    patched(path, offset, value)
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


def test_only_the_images_that_are_asked_for_are_read(tmp_path: Path) -> None:
    """A small file of very many: what is read is what they need, and labels are those of all."""
    path = tmp_path / "many.npz"
    x = np.zeros((20_000, 1, 28, 28), np.float32)
    x[1] = 0.5
    np.savez_compressed(path, x=x, y=np.arange(20_000))
    kind = TensorType(shape=(28, 28, 1), scale=0.01)
    del x
    tracemalloc.start()
    try:
        found = read_inputs(path, kind, 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4e6
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1]
    assert [image.max() for image in found.images] == [0, 0.5]
    text = f"count must be at most 20000, the images of {path}, not 20001"
    with pytest.raises(UserError, match=text):
        read_inputs(path, kind, 20_001)
    np.savez(path, x=np.zeros((9, 1, 28, 27), np.float32), y=np.arange(8))
    with pytest.raises(UserError, match=r"of shape \[n, 1, 28, 28\], not \[9, 1, 28, 27\]"):
        read_inputs(path, kind, 2)
    np.savez(path, x=np.zeros((9, 1, 28, 28), np.float32), y=np.arange(8))
    with pytest.raises(UserError, match=r"must be 9 integers, not int64 \[8\]"):
        read_inputs(path, kind, 2)
