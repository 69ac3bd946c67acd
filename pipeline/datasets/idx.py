"""The IDX format of MNIST's files: a magic number, the shape, then bytes (LeCun, http://yann.lecun.com/exdb/mnist/)."""

import math

import numpy as np
import numpy.typing as npt

UNSIGNED_BYTE = 0x08


def encode(array: npt.NDArray[np.uint8]) -> bytes:
    """Write an array of bytes, of any shape, as IDX."""
    return bytes([0, 0, UNSIGNED_BYTE, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def decode(content: bytes) -> npt.NDArray[np.uint8]:
    """Read an IDX file of bytes. Raises ValueError for another magic number, or content shorter or longer than its shape."""
    shape = read_shape(content)
    if fault := misfit(content, shape):
        raise ValueError(fault)
    return np.frombuffer(content, np.uint8, offset=_header(shape)).reshape(shape)


def read_shape(content: bytes) -> tuple[int, ...]:
    """Read the header of an IDX file of bytes. Raises ValueError where there is none."""
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        is_reversed = content[1:4] == bytes([UNSIGNED_BYTE, 0, 0])
        hint = ", the magic number in the other byte order" if is_reversed else ""
        raise ValueError(f"not an IDX file of bytes: it begins with {content[:4].hex() or 'nothing'}{hint}")
    if len(content) < 4 + 4 * content[3]:
        raise ValueError(f"cut off after {len(content)} bytes, inside its header")
    return tuple(int(size) for size in np.frombuffer(content, ">u4", count=content[3], offset=4))


def misfit(content: bytes, shape: tuple[int, ...]) -> str:
    """Say that content is shorter or longer than its shape, or nothing."""
    if len(content) == _header(shape) + math.prod(shape):
        return ""
    swapped = [int(size) for size in np.array(shape, ">u4").view("<u4")]
    hint = ", but would in the other byte order" if len(content) == _header(shape) + math.prod(swapped) else ""
    return f"{len(content)} bytes do not fit its shape {'x'.join(map(str, shape))}{hint}"


def _header(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape)
