"""Reading and decoding the pictures of a folder in some processes, and nothing else. Arguments: folder, processes."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from pipeline.digits.pictures.files import decoding

CHUNK = 500


def main(folder: str, processes: str) -> None:
    """Decode every picture of a folder."""
    with ProcessPoolExecutor(int(processes), mp_context=get_context("spawn")) as pool:
        files = (entry.path for entry in os.scandir(folder))
        sum(pool.map(decode, iter(lambda: tuple(islice(files, CHUNK)), ())))


def decode(files: tuple[str, ...]) -> int:
    """Decode some pictures, and give their number."""
    return len([decoding.decode(Path(file).read_bytes(), maximum_pixels=10**8) for file in files])


if __name__ == "__main__":
    main(*sys.argv[1:])
