"""Fetching MNIST from mirrors that misbehave: real HTTP on this machine, the real command."""

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.datasets import download, raw
from pipeline.stages.ingest import verify
from tests.conftest import MNIST, Project

LOGIN = b"<!doctype html><html>Log in to this network</html>"


class Mirror(BaseHTTPRequestHandler):
    """Misbehaves as the first part of the path says."""

    asked: list[str] = []  # noqa: RUF012 - one list for all requests is the point

    def do_GET(self) -> None:
        self.asked.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "flaky" and self.asked.count(self.path) > 2:
            self._answer(200, b"at last")
        elif kind.isdigit() or kind == "flaky":
            self._answer(int(kind) if kind.isdigit() else 503, b"")
        elif kind == "redirect":
            self.send_response(302)
            self.send_header("Location", "/login")
            self.end_headers()
        elif kind == "login":
            self._answer(200, LOGIN)
        elif kind == "half":
            self._answer(200, gzip.compress(os.urandom(10_000))[:5_000])
        elif kind == "cut":
            self._answer(200, b"x" * 100, declared=10_000)
        elif kind == "endless":
            self.send_response(200)
            self.end_headers()
            with suppress(ConnectionError):
                while True:
                    self.wfile.write(bytes(2**20))
        elif kind == "wrong":
            self._answer(200, gzip.compress(b"something else"))
        else:
            self._answer(200, (Path(MNIST) / self.path.rsplit("/", 1)[1]).read_bytes())

    def _answer(self, status: int, content: bytes, declared: int | None = None) -> None:
        self.send_response(status)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(declared or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""


@pytest.fixture
def mirror() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        Mirror.asked.clear()
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were to be waited before another attempt, and were not."""
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    return waits


@pytest.fixture
def project(fresh_project: Project, copy_of: Callable[[Project], Project]) -> Project:
    project = copy_of(fresh_project)
    project.set(ingest__dataset="mnist")
    return project


def use_mirrors(project: Project, *addresses: str) -> None:
    project.set(ingest__mirrors=list(addresses))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("403", "HTTP 403 Forbidden"),
        ("404", "HTTP 404 Not Found"),
        ("503", "HTTP 503 Service Unavailable"),
        ("redirect", "a web page came instead of the file"),
        ("half", "damaged or cut off after 5,000 bytes"),
        ("cut", "peer closed connection"),
        ("wrong", "wrong content: sha256 is "),
        ("endless", "too long: more than 47,105,552 bytes, which this file cannot have"),
    ],
)
def test_a_mirror_that_misbehaves_is_named_with_its_failure_and_leaves_nothing(
    project: Project, mirror: str, kind: str, reason: str
) -> None:
    use_mirrors(project, f"{mirror}/{kind}")

    done = project.digits("ingest", check=False)

    assert done.returncode == 1
    assert f"{mirror}/{kind}: {raw.TRAIN_IMAGES}: {reason}" in done.stderr
    assert "data/mirror: " in done.stderr
    assert "make demo" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.root / "data/raw").exists()


def test_without_a_network_every_source_says_so(project: Project) -> None:
    use_mirrors(project, "http://127.0.0.1:9/", "https://no-such-host.invalid/mnist")

    done = project.digits("ingest", check=False, DIGITS_MNIST_MIRROR="/no/such/folder")

    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0].strip() for line in lines if line.startswith("  ")] == [
        "/no/such/folder",
        "data/mirror",
        "http://127.0.0.1:9/",
        "https://no-such-host.invalid/mnist",
    ]
    assert "/no/such/folder: train-images-idx3-ubyte: no such folder" in done.stderr


def test_a_failure_that_may_pass_is_tried_again(mirror: str, waits: list[float]) -> None:
    content = download.source(f"{mirror}/flaky", {"file": 100}, timeout_seconds=5, attempts=3)("file")

    assert content == b"at last"
    assert Mirror.asked == ["/flaky/file.gz"] * 3
    assert waits == [0.5, 1]


def test_a_failure_that_will_not_pass_is_not_tried_again(mirror: str, waits: list[float]) -> None:
    with pytest.raises(download.SourceError):
        download.source(f"{mirror}/403", {"file": 100}, timeout_seconds=5, attempts=3)("file")

    assert len(Mirror.asked) == 1
    assert waits == []


@pytest.mark.parametrize("setting", [{"ALL_PROXY": "socks5://127.0.0.1:1"}, {"SSL_CERT_FILE": "/no/such/file"}])
def test_settings_of_the_network_that_cannot_be_used_are_a_failure_of_that_mirror(
    project: Project, mirror: str, setting: dict[str, str]
) -> None:
    use_mirrors(project, f"{mirror}/503")

    done = project.digits("ingest", check=False, **setting)

    assert done.returncode == 1
    assert f"{mirror}/503: {raw.TRAIN_IMAGES}: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not MNIST, reason="needs MNIST: set DIGITS_MNIST_MIRROR")
@pytest.mark.parametrize("place", ["variable", "drop-in folder", "second mirror"])
def test_mnist_is_taken_from_wherever_it_is(project: Project, mirror: str, place: str) -> None:
    variable = ""
    if place == "variable":
        use_mirrors(project, f"{mirror}/503")
        variable = MNIST
    elif place == "drop-in folder":
        use_mirrors(project, f"{mirror}/503")
        for name in raw.FILES:
            (project.root / "data/mirror" / f"{name}.gz").write_bytes((Path(MNIST) / f"{name}.gz").read_bytes())
    else:
        use_mirrors(project, f"{mirror}/404", f"{mirror}/good")

    project.digits("ingest", DIGITS_MNIST_MIRROR=variable)

    assert raw.read(project.root / "data/raw").dataset == "mnist"
    for name in raw.FILES:
        verify(name, (project.root / "data/raw" / name).read_bytes())
