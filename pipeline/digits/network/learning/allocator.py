"""The memory allocator of the C library, told to keep what training frees and asks for again at every step."""

import ctypes
import sys

M_TOP_PAD = -2  # from <malloc.h>
PAD_BYTES = 64 * 2**20


def keep_freed_memory() -> None:
    """Let glibc take memory from the system in large pieces. Does nothing where the C library is another.

    Otherwise the heaps of its threads shrink and grow with every step, and the system zeroes the same pages again and again,
    which took as long as the arithmetic.
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_TOP_PAD, PAD_BYTES)
