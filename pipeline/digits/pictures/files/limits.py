"""How much a file may ask for, and how one is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias, TypeVar

from annotated_types import Gt, Interval

if TYPE_CHECKING:  # who reads the settings need not wait for numpy
    from pipeline.digits.arrays import Gray

# A picture of more pixels is shrunk: squares of 2x2, 4x4 … become one. A page of A4 at 300 dots per inch has half as many.
WORKING_PIXELS = 2**24


class DecodeError(Exception):
    """A file or page cannot be scored; the message is the reason, for a person."""


class PerhapsHalf(NamedTuple):
    """A page of which the lower part may be missing: (h, w) uint8."""

    picture: "Gray"


# A page as it is decoded, or the reason why it is not.
Decoded: TypeAlias = "Gray | PerhapsHalf | DecodeError"
Picture = TypeVar("Picture")


@dataclass(frozen=True)
class Limits:
    """Settings of ``score``: the most bytes and pages of a file and pixels of a page, the dots per inch of pages of a PDF."""

    maximum_bytes: Annotated[int, Gt(0)]
    maximum_pixels: Annotated[int, Gt(0)]
    maximum_pages: Annotated[int, Gt(0)]
    pdf_resolution: Annotated[int, Interval(ge=36, le=1200)]

    def require(self, width: int, height: int) -> None:
        """Raise DecodeError for a picture of too many pixels, or none."""
        if not 0 < width * height <= self.maximum_pixels:
            raise DecodeError(f"{width}x{height} pixels, more than {self.maximum_pixels}" if width * height else "no pixels")


def attempt(decode: Callable[[], Picture]) -> Picture | DecodeError:
    """Decode a page, or give the reason why that fails."""
    try:
        return decode()
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises on broken bytes is this page's reason
        return refusal(error)


def refusal(error: Exception) -> DecodeError:
    """Turn the error of a decoder into the reason for a person."""
    if isinstance(error, DecodeError):
        return error
    if isinstance(error, MemoryError):
        return DecodeError("needs more memory than there is")
    if isinstance(error, OSError) and error.strerror:
        return DecodeError(f"cannot be read: {error.strerror}")
    return DecodeError(f"broken image: {' '.join(str(error).split())[:120] or type(error).__name__}")


def shrinking(width: int, height: int) -> int:
    """Give how many pixels of a picture, along a side, become one: a power of two."""
    factor = 1
    while width * height > WORKING_PIXELS * factor * factor:
        factor *= 2
    return factor
