"""Stage ``ingest``: fetch the data set, verify every byte, and lay it down as four IDX files."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np

from pipeline import layout, params, stages
from pipeline.datasets import download, idx, raw
from pipeline.digits.pictures import normalising
from pipeline.errors import PipelineError
from pipeline.names import shown
from pipeline.params import Ingest

MIRROR_VARIABLE = "DIGITS_MNIST_MIRROR"
SAMPLE_TEST_IMAGES = 360

# Sizes and hashes are those of the decompressed content, because each mirror compresses it in its own way.
MNIST_BYTES = {raw.TRAIN_IMAGES: 47_040_016, raw.TRAIN_LABELS: 60_008, raw.TEST_IMAGES: 7_840_016, raw.TEST_LABELS: 10_008}
MNIST_SHA256 = {
    raw.TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    raw.TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    raw.TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    raw.TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

# To content that it cannot compress, gzip adds no more than this: a header, a file name, block marks.
GZIP_BYTES = 2**16

Fetch = Callable[[str], bytes]


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS).ingest
    contents = sample() if settings.dataset == "load_digits" else fetch(_sources(settings))
    raw.write(layout.RAW, settings.dataset, contents)


def _sources(settings: Ingest) -> dict[str, Fetch]:
    """Give the places that MNIST comes from, in the order in which they are asked."""
    places = [os.environ.get(MIRROR_VARIABLE, ""), str(layout.MIRROR), *settings.mirrors]
    most = {name: size + GZIP_BYTES for name, size in MNIST_BYTES.items()}
    seconds, attempts = settings.timeout_seconds, settings.attempts
    return {one: download.source(one, most, timeout_seconds=seconds, attempts=attempts) for one in places if one}


def fetch(sources: dict[str, Fetch]) -> dict[str, bytes]:
    """Get MNIST's four files from the first sources that have them whole. Raises PipelineError with each one's failure.

    ``sources``: by name, a function from a file's name to its compressed or plain bytes, which raises SourceError.
    """
    contents: dict[str, bytes] = {}
    failures = []
    for place, read in sources.items():
        try:
            for name in raw.FILES:
                if name not in contents:
                    contents[name] = verify(name, read(name))
        except download.SourceError as error:
            failures.append(f"  {shown(place)}: {name}: {error}")
        else:
            return contents
    raise PipelineError(
        "MNIST could not be fetched. Tried in this order:\n"
        + "\n".join(failures)
        + f"\nPut the four files into {layout.MIRROR}/ and run again, or run `make demo`, which needs no download."
    )


def verify(name: str, content: bytes) -> bytes:
    """Give the decompressed bytes of a file of MNIST. Raises SourceError for any other bytes, and says what they are."""
    size, sha256 = MNIST_BYTES[name], MNIST_SHA256[name]
    try:
        plain = gzip.GzipFile(fileobj=BytesIO(content)).read(size + 1) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, OSError, zlib.error) as error:
        raise download.SourceError(f"damaged or cut off after {len(content):,} bytes ({error})") from error
    if len(plain) > size:
        raise download.SourceError(f"wrong content: more than the {size:,} bytes of this file")
    digest = hashlib.sha256(plain).hexdigest()
    if digest == sha256:
        return plain
    if plain.lstrip()[:1] == b"<":
        raise download.SourceError("a web page came instead of the file")
    raise download.SourceError(f"wrong content: sha256 is {digest[:8]}…, expected {sha256[:8]}…")


def sample() -> dict[str, bytes]:
    """Make the four IDX files of scikit-learn's ``load_digits``: 8x8 scans (Alpaydin and Kaynak, 1998), normalised.

    They stand in the order in which they were collected, and neighbours are alike: the last 360 are the test set, which is
    harder, and more like new scans, than a random draw.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = (digits.images * (255 / 16)).astype(np.uint8)
    fields = np.stack([normalising.normalise(picture).field for picture in pictures])
    labels = digits.target.astype(np.uint8)
    return {
        raw.TRAIN_IMAGES: idx.encode(fields[:-SAMPLE_TEST_IMAGES]),
        raw.TRAIN_LABELS: idx.encode(labels[:-SAMPLE_TEST_IMAGES]),
        raw.TEST_IMAGES: idx.encode(fields[-SAMPLE_TEST_IMAGES:]),
        raw.TEST_LABELS: idx.encode(labels[-SAMPLE_TEST_IMAGES:]),
    }


if __name__ == "__main__":
    stages.run_as_process("ingest", main)
