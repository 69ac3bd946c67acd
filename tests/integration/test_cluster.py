"""Scoring on a cluster of Dask, a real scheduler and two workers: the same bytes as here, whatever dies, hangs or is away."""

import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.reports import html
from pipeline.scoring import cluster, dispatch, run
from tests.clusters import Dask, running
from tests.conftest import DIGITS, ROOT, Project
from tests.integration.test_scoring_runs import DYING
from tests.s3 import BUCKET, S3, serving
from tests.scored import IMAGES, SETTINGS, Scans
from tests.unit.test_archives import tarred, zipped
from tests.written import by_pillow

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")]
Tell = Callable[[run.Progress], None]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with serving() as server:
        server.empty()
        yield server


@pytest.fixture(scope="module")
def shared(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    """A cluster of two workers, which finds the storage, for tests that leave it whole."""
    with running(tmp_path_factory.mktemp("dask")) as dask:
        yield dask


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Dask]:
    """A cluster of two workers to spoil."""
    (tmp_path / "dask").mkdir()
    with running(tmp_path / "dask") as dask:
        yield dask


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Dask]:
    """A cluster with no workers yet."""
    (tmp_path / "dask").mkdir()
    with running(tmp_path / "dask", workers=0) as dask:
        yield dask


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards go one by one, so that there are some."""
    monkeypatch.setattr(dispatch, "TOGETHER", 1)


@pytest.fixture
def many(scans: Scans) -> Scans:
    """Three hundred pictures, which are scored here first."""
    for number in range(IMAGES, 10 * IMAGES):
        shutil.copyfile(scans.folder / f"{number % IMAGES:05}.png", scans.folder / f"{number:05}.png")
    scans.score(out=local(scans))
    return scans


def local(scans: Scans) -> Path:
    return scans.out.with_name("local")


def is_as_local(scans: Scans, out: Path | None = None) -> bool:
    return ((out or scans.out) / "scores.csv").read_bytes() == (local(scans) / "scores.csv").read_bytes()


def after(shards: int, do: Callable[[], object]) -> Tell:
    """Give what does something once, when some shards are scored."""
    seen = [0]

    def tell(_: run.Progress) -> None:
        seen[0] += 1
        if seen[0] == shards:
            do()

    return tell


def test_a_cluster_gives_the_same_bytes_and_report_as_this_machine(many: Scans, shared: Dask) -> None:
    pack = many.folder / "more.tar"
    pack.write_bytes(tarred({path.name: path.read_bytes() for path in sorted(many.folder.iterdir())[:20]}))
    (many.folder / "broken.zip").write_bytes(b"PK")
    (many.folder / "broken.png").write_bytes(b"no")
    (many.folder / "two.tif").write_bytes(by_pillow("TIFF", twice=True)(np.full((40, 30), 200, np.uint8)))
    many.score(out=local(many))

    manifest = many.score(cluster=shared.address)

    assert is_as_local(many)
    assert [*html.lines_of(many.out / "report.html")] == [*html.lines_of(local(many) / "report.html")]
    assert manifest.workers == 2
    assert many.score(cluster="tcp://127.0.0.1:1").fingerprint == manifest.fingerprint  # there is nothing to ask it for


def test_a_picture_that_ends_or_keeps_its_process_is_the_same_row_as_here(scans: Scans, own: Dask) -> None:
    crash = DYING.format(when='if content == b"crash": os.kill(os.getpid(), 11)')
    hang = DYING.format(when='if content == b"hang": __import__("time").sleep(3600)').replace("before", "earlier")
    (scans.folder / "00005x.png").write_bytes(b"crash")
    (scans.folder / "00020x.png").write_bytes(b"hang")
    own.end()
    own.start()
    own.nannies.clear()
    for _ in range(2):
        own.add(startup=crash + hang)

    scans.score(cluster=own.address, settings=SETTINGS.model_copy(update={"maximum_seconds": 2}))

    reasons = {name: row["reason"] for name, row in scans.rows().items() if row["status"] == "error"}
    assert reasons == {
        "00005x.png": "ends the process that reads it: SIGSEGV",
        "00020x.png": "takes longer than 2 s (score.maximum_seconds)",
    }
    assert len(scans.rows()) == IMAGES + 2


def test_a_scheduler_that_is_not_there_is_one_line_within_ten_seconds(scans: Scans, tmp_path: Path) -> None:
    began = time.monotonic()

    with pytest.raises(PipelineError, match=r"^tcp://127\.0\.0\.1:9: no scheduler of Dask answers: .*\. Name another"):
        scans.score(cluster="tcp://127.0.0.1:9")
    assert time.monotonic() - began < 10

    with pytest.raises(PipelineError, match=r"^nonsense: no scheduler of Dask answers"):
        scans.score(cluster="nonsense")


def test_a_scheduler_that_hangs_is_one_line_within_ten_seconds(scans: Scans, alone: Dask) -> None:
    assert alone.scheduler
    alone.scheduler.send_signal(signal.SIGSTOP)
    began = time.monotonic()

    with pytest.raises(PipelineError, match=r"no scheduler of Dask answers"):
        scans.score(cluster=alone.address)

    alone.scheduler.send_signal(signal.SIGCONT)
    assert time.monotonic() - began < 15


def test_a_scheduler_that_is_killed_costs_no_row(many: Scans, own: Dask) -> None:
    with pytest.raises(PipelineError, match=r"^tcp://127\.0\.0\.1:\d+: the scheduler went away\. Start it, and"):
        many.score(cluster=own.address, tell=after(3, own.kill_scheduler))
    own.end()
    own.nannies.clear()
    own.start()
    own.add()

    manifest = many.score(cluster=own.address)

    assert manifest.resumed >= 3 * SETTINGS.shard_size
    assert is_as_local(many)


def test_workers_that_are_killed_cost_no_row(many: Scans, own: Dask) -> None:
    def kill_one() -> None:
        own.workers()[0].kill()

    many.score(cluster=own.address, tell=after(2, kill_one))

    assert is_as_local(many)


def test_all_workers_may_be_killed_and_come_back(many: Scans, own: Dask) -> None:
    def kill() -> None:
        for worker in own.workers():
            worker.kill()

    many.score(cluster=own.address, tell=after(2, kill))

    assert is_as_local(many)


def test_a_worker_that_hangs_leaves_its_shards_to_the_other(many: Scans, own: Dask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "SILENT", 3)
    stopped = own.workers()[0]

    many.score(cluster=own.address, tell=after(2, stopped.suspend))

    assert stopped.status() == "stopped"
    assert is_as_local(many)
    stopped.resume()
    (many.folder / "new.png").write_bytes((many.folder / "00001.png").read_bytes())
    assert many.score(cluster=own.address).scored == 1


def test_a_worker_of_another_version_is_refused_and_both_are_named(many: Scans, alone: Dask, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pipeline", tmp_path / "other/pipeline")
    with (tmp_path / "other/pipeline/scoring/row.py").open("a") as module:
        module.write("# another version\n")
    alone.add(path=tmp_path / "other")

    with pytest.raises(PipelineError, match=r"no worker can score\. worker tcp://.* it has code \w{12}, here it is \w{12}\."):
        many.score(cluster=alone.address)
    alone.add()
    remarks: list[str] = []
    many.score(cluster=alone.address, tell=lambda progress: remarks.extend(progress.remarks[len(remarks) :]))

    assert is_as_local(many)
    assert len(remarks) == 1
    assert "is not used: it has code" in remarks[0]


WITHOUT_FORMATS = """
import importlib.metadata as metadata
before = metadata.version
def version(name):
    if name in ("pi-heif", "pypdfium2"):
        raise metadata.PackageNotFoundError(name)
    return before(name)
metadata.version = version
"""


def test_a_worker_without_the_formats_or_the_package_is_refused(many: Scans, alone: Dask, tmp_path: Path) -> None:
    alone.add(startup=WITHOUT_FORMATS)
    alone.add(path=tmp_path, startup="import sys; sys.modules['pipeline'] = None")

    with pytest.raises(PipelineError) as refused:
        many.score(cluster=alone.address)

    assert "it has pi-heif none, here it is 1." in str(refused.value)
    assert "it cannot score: " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_cluster_without_workers_is_waited_for_and_then_named(
    many: Scans, alone: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "WAIT", 1)
    with pytest.raises(PipelineError, match=r"no worker answered for 1 s\. Start some, then run again\."):
        many.score(cluster=alone.address)
    monkeypatch.setattr(dispatch, "WAIT", 60)
    with ThreadPoolExecutor() as pool:
        pool.submit(alone.add)
        many.score(cluster=alone.address)

    assert is_as_local(many)


def test_a_folder_that_is_away_for_a_while_costs_no_row(many: Scans, shared: Dask) -> None:
    away = many.folder.with_name("away")

    def go_away() -> None:
        many.folder.rename(away)
        threading.Timer(15, lambda: away.rename(many.folder)).start()

    manifest = many.score(cluster=shared.address, tell=after(2, go_away))

    assert "error" not in manifest.statuses
    assert is_as_local(many)


@pytest.mark.parametrize("pack", [None, tarred, zipped])
def test_workers_read_from_storage_that_is_busy_or_slow(
    many: Scans, shared: Dask, s3: S3, pack: Callable[[dict[str, bytes]], bytes] | None
) -> None:
    s3.empty()
    if pack:
        packed = pack({path.name: path.read_bytes() for path in sorted(many.folder.iterdir())})
        shutil.rmtree(many.folder)
        many.folder.mkdir()
        (many.folder / f"a.{'tar' if pack is tarred else 'zip'}").write_bytes(packed)
        many.score(out=local(many))
    s3.put(many.folder, "batch")
    s3.busy, s3.slow, s3.seconds = 2, 1, 5.0
    stored = Scans(Path(f"s3://{BUCKET}/batch"), many.model, many.out)

    stored.score(cluster=shared.address)

    assert s3.busy == 0
    assert is_as_local(many)


def test_a_worker_may_have_many_threads(many: Scans, alone: Dask) -> None:
    alone.add(threads=4)

    manifest = many.score(cluster=alone.address)

    assert manifest.workers == 4
    assert is_as_local(many)


def test_two_runs_share_a_cluster(many: Scans, shared: Dask) -> None:
    outs = [many.out.with_name(name) for name in ("first", "second")]

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda out: many.score(out=out, cluster=shared.address), outs))

    assert all(is_as_local(many, out) for out in outs)


def test_few_shards_are_under_way_and_their_names_say_what_they_are(
    many: Scans, shared: Dask, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, keys = [0], list[tuple[str, ...]]()
    send = dispatch.Dispatch._send

    def note(self: dispatch.Dispatch, sent: object, able: list[str]) -> None:
        send(self, sent, able)  # type: ignore[arg-type]
        most[0] = max(most[0], len(self._under_way))
        keys.extend(future.key for future in self._under_way)

    monkeypatch.setattr(dispatch.Dispatch, "_send", note)

    many.score(cluster=shared.address)

    assert most[0] == 2 * dispatch.IN_FLIGHT
    assert keys[0][:2] == ("score batch", "00000.png and 6 more")


def test_the_command_takes_the_cluster_from_the_environment_too(champion_project: Project, many: Scans, shared: Dask) -> None:
    command = (*DIGITS, "score", str(many.folder), "--out")
    first, second = (many.out.with_name(name) for name in ("first", "second"))

    by_option = champion_project.run(*command, str(first), "--cluster", shared.address)
    by_environment = champion_project.run(*command, str(second), check=True, DASK_ADDRESS=shared.address)

    for done, out in ((by_option, first), (by_environment, second)):
        assert "300 scored in" in done.stdout
        assert done.stderr == ""
        assert is_as_local(many, out)
    missing = champion_project.run(*command, str(many.out), "--cluster", "tcp://127.0.0.1:9", check=False)
    assert (missing.returncode, missing.stderr.count("\n")) == (1, 1)


def test_the_flow_takes_the_cluster_from_the_environment(champion_project: Project, scans: Scans, shared: Dask) -> None:
    scans.score(out=local(scans))
    shutil.copytree(scans.folder, champion_project.root / "data/inbox/on-a-cluster")
    (champion_project.root / "data/inbox/on-a-cluster/.ready").touch()

    champion_project.run(sys.executable, "-m", "flows.scoring", check=True, DASK_ADDRESS=shared.address)

    out = champion_project.root / "data/scores/on-a-cluster"
    assert is_as_local(scans, out)
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["workers"] == 2


def test_a_worker_needs_no_tensorflow(many: Scans, shared: Dask) -> None:
    from distributed import Client

    many.score(cluster=shared.address)

    with Client(shared.address, set_as_default=False) as client:
        found = client.run(lambda: [name for name in __import__("sys").modules if name in ("tensorflow", "keras", "prefect")])
    assert list(found.values()) == [[], []]


def test_without_the_extra_one_line_says_how_to_get_it(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(PipelineError, match=r"--cluster needs the extra for it: pip install '\.\[cluster\]'\."):
        scans.score(cluster="tcp://127.0.0.1:9")
    assert cluster.CONNECT < 10
