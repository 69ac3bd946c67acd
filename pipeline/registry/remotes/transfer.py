"""What the process does that talks to a DVC remote: ``python -m pipeline.registry.remotes.transfer TASK``, its details as JSON.

A process of its own can be ended when the remote hangs, and has no terminal to ask for a password. It prints JSON.
"""

import json
import logging
import sys
import uuid
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError
from pipeline.registry.project import FOLDER

if TYPE_CHECKING:
    from dvc.data_cloud import Remote
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB


class _Faults(logging.Handler):
    """Keeps what DVC logs of a file that could not be moved: it counts these, and goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        self.words.append(f"{type(fault).__name__}: {fault}" if fault else record.getMessage())


FAULTS = _Faults()


def push(commit: str, model: str) -> dict[str, Any]:
    """Push what a commit names, or the workspace (an empty text) and what is beside it in the run cache.

    ``model``: the hash of a folder that must be on the remote afterwards, whole; gives the number of its files that are not.
    """
    with _remote() as (repo, remote):
        remark = ""
        with repo.switch(commit) if commit else nullcontext():
            named = _cached(repo.index.used_objs(push=True))
        if not commit:
            named |= {out.hash_info for stage in repo.index.stages for out in stage.outs if not out.use_cache and out.hash_info}
            for stage in repo.index.stages:
                # DVC itself keeps no run of a stage with files that Git keeps.
                repo.stage_cache.save(stage)
            remark = _run_cache(remote, lambda: repo.stage_cache.transfer(repo.cache.legacy, remote.legacy_odb, force=False))
        cache = repo.cache.local
        there = {one for one in named if cache.exists(one.value)}
        essential = _of_folder(cache, model)
        for one in essential:
            if _is_cut(cache, remote.odb, one):
                remote.odb.delete(one)
        _move(cache, remote.odb, there)
        kept = set(remote.odb.oids_exist(essential))
        return {"remark": remark, "lacking": len({*essential} - kept)}


def fetch(hashed: str, names: list[str]) -> dict[str, Any]:
    """Fetch into DVC's cache the file that has a hash, or of the folder that has it the files of some ``names``.

    One whose bytes are not those of its hash is not kept. Raises PipelineError.
    """
    with _remote() as (repo, remote):
        _take(remote.odb, repo.cache.local, {hashed})
        if hashed.endswith(FOLDER):
            _take(remote.odb, repo.cache.local, set(_of_folder(repo.cache.local, hashed, names)))
    return {}


def fetch_run_cache() -> dict[str, Any]:
    """Fetch what the run cache of the remote knows of stages that ran elsewhere."""
    with _remote() as (repo, remote):
        return {"remark": _run_cache(remote, lambda: repo.stage_cache.transfer(remote.legacy_odb, repo.cache.legacy))}


def check() -> dict[str, Any]:
    """Read from the remote, then write a small file to it, read that back, and remove it; give the fault of each, if any."""
    with _remote() as (_, remote):
        found: dict[str, Any] = {"address": remote.fs.unstrip_protocol(remote.path), "read": "", "write": ""}
        content = uuid.uuid4().hex.encode()
        place = remote.fs.join(remote.path, f"trial-{content.decode()}")
        try:
            remote.fs.exists(remote.odb.path)
        except Exception as fault:  # noqa: BLE001 - each kind of remote has errors of its own
            return found | {"read": _words(fault), "write": "not tried"}
        try:
            remote.fs.makedirs(remote.path, exist_ok=True)
            remote.fs.put_file(BytesIO(content), place)
            if remote.fs.cat_file(place) != content:
                found["write"] = "other bytes came back than were written"
            remote.fs.remove(place)
        except Exception as fault:  # noqa: BLE001
            found["write"] = _words(fault)
            with suppress(Exception):
                remote.fs.remove(place)
        return found


def _of_folder(cache: "HashFileDB", folder: str, names: Container[str] | None = None) -> list[str]:
    """List the hashes of the files in a folder, or of those of some names, and its own; of an unknown folder its own alone."""
    try:
        listed = json.loads(Path(cache.oid_to_path(folder)).read_bytes())
    except FileNotFoundError:
        return [folder]
    return [folder, *(one["md5"] for one in listed if names is None or one["relpath"] in names)]


def _cached(used: dict[Any, set[Any]]) -> set[Any]:
    """Give the files of the project's own remote, not those that belong to another."""
    return {one for odb, objects in used.items() if odb is None for one in objects}


def _take(remote: "HashFileDB", cache: "HashFileDB", hashes: set[str]) -> None:
    """Fetch files by their hashes, unless the cache has them. Raises PipelineError for one that is not there, or is another."""
    from dvc_data.hashfile.hash_info import HashInfo

    for one in hashes:
        with suppress(Exception):  # a damaged file, which this removes, or none
            cache.check(one)
    missing = [one for one in hashes if not cache.exists(one)]
    places = {one: remote.oid_to_path(one) for one in missing}
    for place in places.values():
        if not remote.fs.exists(place):
            raise PipelineError(f"{remote.fs.unstrip_protocol(place)} is not there")
    _move(remote, cache, {HashInfo("md5", one) for one in missing}, verify=True)
    for one, place in places.items():
        if not cache.exists(one):
            raise PipelineError(f"{remote.fs.unstrip_protocol(place)} has other bytes than its name says: refused")


def _move(source: "HashFileDB", target: "HashFileDB", objects: Iterable[Any], *, verify: bool = False) -> None:
    """Copy files of DVC's. Raises PipelineError with the fault of the first that fails."""
    from dvc_data.hashfile.transfer import transfer

    # What is fetched are single files; what is pushed are folders with all that is in them.
    done = transfer(source, target, set(objects), verify=verify, cache_odb=source, shallow=verify)
    if done.failed:
        raise PipelineError(FAULTS.words[0] if FAULTS.words else f"{len(done.failed)} files were not copied")


def _is_cut(cache: "HashFileDB", remote: "HashFileDB", hashed: str) -> bool:
    """Tell whether a file on the remote has another size than here, as when a disk was full."""
    with suppress(FileNotFoundError):
        there = remote.fs.info(remote.oid_to_path(hashed))["size"]
        return bool(there != Path(cache.oid_to_path(hashed)).stat().st_size)
    return False


def _run_cache(remote: "Remote", move: Callable[[], object]) -> str:
    """Copy the run cache, and give a remark where the remote can keep none."""
    from dvc.stage.cache import RunCacheNotSupported

    try:
        move()
    except RunCacheNotSupported:
        return f"{remote.name} keeps no run cache, as HTTP cannot"
    return ""


@contextmanager
def _remote() -> "Iterator[tuple[Repo, Remote]]":
    """Open the project and its default remote."""
    from dvc.repo import Repo

    with Repo(".") as repo:
        remote = repo.cloud.get_remote()
        if remote.worktree or remote.fs.version_aware:
            raise PipelineError(f"{remote.name}: a remote that versions its files by itself cannot keep a registry's")
        if remote.fs.protocol == "ssh":
            # As Git does, and unlike DVC, which would take any host for the right one.
            remote.fs.fs_args["known_hosts"] = ()
        for library in ("dvc", "dvc_data", "dvc_objects"):
            logging.getLogger(library).addHandler(FAULTS)
        yield repo, remote


def _words(fault: BaseException) -> str:
    return " ".join(f"{type(fault).__name__}: {fault}".split()).rstrip(".: ")


TASKS: dict[str, Callable[..., dict[str, Any]]] = {"push": push, "fetch": fetch, "run-cache": fetch_run_cache, "check": check}


def main() -> None:
    """Do what the command line names. Exits 1 with one line."""
    try:
        done = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    except PipelineError as error:
        sys.exit(str(error))
    except Exception as fault:  # noqa: BLE001 - libraries of many kinds of remote: what goes wrong there is said in a line
        sys.exit(_words(fault))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
