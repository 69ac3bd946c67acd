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
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise ValueError(f"not an IDX file of bytes: it begins with {content[:4].hex() or 'nothing'}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"cut off after {len(content)} bytes, inside its header")
    shape = [int(size) for size in np.frombuffer(content[4:start], ">u4")]
    if len(content) != start + math.prod(shape):
        raise ValueError(f"{len(content)} bytes do not fit its shape {'x'.join(map(str, shape))}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
