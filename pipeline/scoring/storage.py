"""Pictures in object storage, or wherever else fsspec finds them by an address, such as ``s3://bucket/folder``."""

import hashlib
import os
from collections.abc import Collection, Iterator
from functools import lru_cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.digits.pictures.files.limits import DecodeError, refusal
from pipeline.errors import PipelineError, StorageError
from pipeline.scoring.archives import contents
from pipeline.scoring.archives.contents import Contents
from pipeline.scoring.archives.member import faulty, place_of
from pipeline.scoring.files import each
from pipeline.scoring.kinds import is_archive
from pipeline.scoring.shard import Content, Read, Shard

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

# For S3, so that it never takes longer to say that it is away than a file may take: seconds, and attempts.
OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 4, "read_timeout": 4, "retries": {"total_max_attempts": 2}}}
}
# Archives are read in pieces of so many bytes to find what is in them.
PIECE = 2**22
# Members of a shard are fetched at once where no more than so many bytes between them are not wanted.
BETWEEN = 2**20
# The most that may stand between the beginning of a member of a ZIP and its content.
HEADER = 2**17


def entries(address: str) -> Iterator[tuple[bytes, int, int]]:
    """Give what stands below an address, or at that of an archive: path, size, and a number that stands for its content.

    Raises PipelineError.
    """
    try:
        system, root = _system(address)
        if is_archive(root.encode()):
            info = system.info(root)
            yield os.fsencode(root.rpartition("/")[2]), info["size"], _tag(info)
            return
        for info in _below(system, root):
            path = os.fsencode(info["name"].removeprefix(f"{root}/"))
            if not path.endswith(b"/"):  # what some programs put in place of a folder
                yield path, info["size"], _tag(info)
    except PipelineError:
        raise
    except Exception as error:  # storage has errors of its own, by its kind
        hint = "Look after the address, and the credentials and the endpoint in the environment."
        raise PipelineError(f"{address}: cannot be listed: {_words(error)}. {hint}") from error


def reader(address: str, shard: Shard, maximum_bytes: int) -> Read:
    """Give the function that reads files of a shard, of which none may have more bytes. Both raise StorageError."""
    system, root = _system(address)
    if not shard.archive:
        return lambda numbers: _in_folder(system, root, address, shard, numbers, maximum_bytes)
    try:
        file, start = _fetched(system, _key(root, shard.archive), shard)
    except Exception as error:  # noqa: BLE001 - storage has errors of its own, by its kind
        fault: DecodeError | None = _refusal(error, address)
    else:
        fault = None

    def read(number: int) -> bytes | BinaryIO:
        first, *rest = place_of(shard.places[number])
        if fault:
            raise fault
        return contents.read(file, [first - start, *rest])

    return lambda numbers: each(read, numbers, partial(_refusal, address=address))


def look_into(address: str, path: bytes, suffixes: Collection[str], maximum_bytes: int) -> Contents:
    """Find what is in an archive. Raises StorageError."""
    try:
        system, root = _system(address)
        with system.open(_key(root, path), "rb", block_size=PIECE, cache_type="readahead") as file:
            return contents.find(path, file, suffixes, maximum_bytes)
    except Exception as error:  # noqa: BLE001 - storage has errors of its own, by its kind
        return Contents(path, [faulty(path, str(_refusal(error, address)))])


def version_of(address: str, path: bytes) -> tuple[int, int]:
    """Give the size of a file, and the number that stands for its content, as ``entries`` does. Raises OSError."""
    try:
        system, root = _system(address)
        info = system.info(root if is_archive(root.encode()) else _key(root, path))
    except Exception as error:  # storage has errors of its own, by its kind
        raise OSError(_words(error)) from error
    return info["size"], _tag(info)


@lru_cache(maxsize=1)
def _system(address: str) -> "tuple[AbstractFileSystem, str]":
    from fsspec.core import url_to_fs

    kind = address.partition(":")[0]
    try:
        system, root = url_to_fs(address, **OPTIONS.get(kind, {}))
    except (ImportError, ValueError) as error:
        hint = "Install the extra for it: pip install '.[s3]'." if kind == "s3" else "Install what fsspec needs for it."
        raise PipelineError(f"{address}: cannot be reached: {_words(error)}. {hint}") from error
    if kind == "s3":
        system.retries = 2
    return system, root.rstrip("/")


def _key(root: str, path: bytes) -> str:
    return f"{root}/{os.fsdecode(path)}"


def _below(system: "AbstractFileSystem", root: str) -> Iterator[dict[str, Any]]:
    """Give what stands below a root: of S3 page by page, since fsspec keeps all of it in memory."""
    if not hasattr(system, "call_s3"):
        yield from system.find(root, detail=True).values()
        return
    bucket, _, prefix = root.partition("/")
    more: dict[str, str] = {}
    while True:
        page = system.call_s3("list_objects_v2", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", **more)
        for entry in page.get("Contents", ()):
            yield {"name": f"{bucket}/{entry['Key']}", "size": entry["Size"], "ETag": entry["ETag"]}
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _tag(info: dict[str, Any]) -> int:
    """Give a number that is another one when what storage says of a file is."""
    names = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
    known = next((str(info[name]) for name in names if info.get(name)), "")
    return int.from_bytes(hashlib.sha256(known.encode()).digest()[:7], "big")


def _in_folder(
    system: "AbstractFileSystem", root: str, address: str, shard: Shard, numbers: range, maximum_bytes: int
) -> list[Content]:
    sizes = {number: int(shard.places[number]) for number in numbers}
    wanted = [number for number, size in sizes.items() if 0 < size <= maximum_bytes]
    keys, ends = [_key(root, shard.paths[number]) for number in wanted], [sizes[number] for number in wanted]
    try:
        contents_of = system.cat_ranges(keys, [0] * len(keys), ends, on_error="return")
    except Exception as error:
        raise StorageError(f"{address}: cannot be read: {_words(error)}.") from error
    found: dict[int, Any] = dict(zip(wanted, contents_of, strict=True))

    def read(number: int) -> bytes:
        if sizes[number] > maximum_bytes:
            raise DecodeError(f"{sizes[number]} bytes, more than {maximum_bytes}")
        content = found.get(number, b"")
        if isinstance(content, Exception):
            raise content
        return bytes(content)

    return each(read, numbers, partial(_refusal, address=address))


def _fetched(system: "AbstractFileSystem", key: str, shard: Shard) -> tuple[BinaryIO, int]:
    """Fetch the part of an archive that a shard needs, and say where it begins; or open the archive where that is too much."""
    places = [place_of(place) for place in shard.places if place[:1].isdigit()]
    if not places:
        return BytesIO(), 0
    wanted = sum(size for _, size, *_ in places)
    start = min(place[0] for place in places)
    end = max(first + (rest[0] + HEADER if rest else size) for first, size, *rest in places)
    if end - start > 2 * wanted + BETWEEN:
        return system.open(key, "rb", block_size=BETWEEN, cache_type="readahead"), 0
    return BytesIO(system.cat_file(key, start=start, end=end)), start


def _refusal(error: Exception, address: str) -> DecodeError:
    """Turn an error into the reason for a person. Raises StorageError where it is the storage's, and no file's."""
    if isinstance(error, FileNotFoundError):
        return DecodeError("cannot be read: No such file or directory")
    if isinstance(error, PermissionError) and "xpired" not in str(error):
        return DecodeError("cannot be read: Permission denied")
    if isinstance(error, DecodeError | MemoryError):
        return refusal(error)
    raise StorageError(f"{address}: cannot be read: {_words(error)}.") from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
