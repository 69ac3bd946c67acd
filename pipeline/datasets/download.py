"""Places that files come from: a folder, or a web address with time limits, retries and a progress bar."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

FIRST_WAIT_SECONDS = 0.5


class SourceError(Exception):
    """A place did not give a file; the message says why, and names neither place nor file."""


def source(place: str, most: Mapping[str, int], *, timeout_seconds: float, attempts: int) -> Callable[[str], bytes]:
    """Give the function that reads a file by its name from ``place``; it raises SourceError.

    ``most``: the bytes that each file can have; no more are read.

    A folder holds ``NAME.gz`` or ``NAME``, perhaps with a dot for the dash (``train-images.idx3-ubyte``); an address holds
    ``NAME.gz``. An address is given up after ``timeout_seconds`` without a byte. It is asked ``attempts`` times where the
    failure may pass, with twice the wait each time.
    """
    if not place.startswith(("http://", "https://")):
        return lambda name: _read(Path(place).expanduser(), name, most[name])
    address = place.rstrip("/")
    return lambda name: _fetch_patiently(f"{address}/{name}.gz", most[name], timeout_seconds, attempts)


def _read(folder: Path, name: str, most: int) -> bytes:
    dotted = name.replace("-idx", ".idx")  # 7-Zip and `gunzip -N` take this name from within the compressed file
    for path in (folder / f"{one}{suffix}" for one in (name, dotted) for suffix in (".gz", "")):
        try:
            with path.open("rb") as file:
                return _bounded(iter(lambda: file.read(2**20), b""), most)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SourceError(str(error.strerror)) from error
    raise SourceError("not there" if folder.is_dir() else "no such folder")


def _bounded(chunks: Iterable[bytes], most: int) -> bytes:
    """Join the chunks. Raises SourceError as soon as they are too long."""
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > most:
            raise SourceError(f"too long: more than {most:,} bytes, which this file cannot have")
    return bytes(content)


def _fetch_patiently(url: str, most: int, timeout_seconds: float, attempts: int) -> bytes:
    retrying = Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_exponential(multiplier=FIRST_WAIT_SECONDS),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        # With this encoding, a file that is compressed already, or a page in its place, comes as it is.
        headers = {"User-Agent": "digit-pipeline", "Accept-Encoding": "identity"}
        with httpx.Client(follow_redirects=True, timeout=timeout_seconds, headers=headers) as client:
            return retrying(_fetch, client, url, most)
    except httpx.HTTPStatusError as error:
        raise SourceError(f"HTTP {error.response.status_code} {error.response.reason_phrase}".strip()) from error
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, OSError, ValueError) as error:
        # Wrong proxy and certificate settings in the environment raise ImportError, OSError or ValueError.
        raise SourceError(str(error) or type(error).__name__) from error


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in (408, 425, 429) or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def _fetch(client: httpx.Client, url: str, most: int) -> bytes:
    columns = (TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with client.stream("GET", url) as response, Progress(*columns, console=Console(stderr=True)) as progress:
        response.raise_for_status()
        size = response.headers.get("Content-Length")
        task = progress.add_task(url.rsplit("/", 1)[-1], total=int(size) if size else None)

        def chunks() -> Iterator[bytes]:
            for chunk in response.iter_raw():
                progress.advance(task, len(chunk))
                yield chunk

        return _bounded(chunks(), most)
