"""The review page in a real browser, with a real server: keys, reloads, kills, other windows, other sites."""

import html
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe

from pipeline.registry import contents
from pipeline.review import answers as kept
from pipeline.review import server
from pipeline.review.api import COOKIE
from pipeline.review.queue import Mode
from pipeline.review.session import Session
from pipeline.scoring.database import NAME as STORE
from tests.conftest import CHROMIUM, ROOT, Project, copy_project, full_disk
from tests.reviewed import BATCH, OUT, SETTINGS, copied, score, working_in

IMAGES = 46
HOSTILE = [
    b"<img src=x onerror=alert(1)>.png",
    b"\"quoted' & <b>bold.png",
    b"two\nlines.png",
    "\u202egnp.\N{PARTY POPPER} %41#1?.png".encode(),
    b"no \xff utf-8 \\ \\xff.png",
    b"x" * 251 + b".png",
]
WORD = "word-in-an-address"
# There is another picture than before, or the end.
MOVED_ON = """before => {
  const one = (id) => document.getElementById(id);
  return one("original").getAttribute("src") !== before || !one("end").hidden;
}"""
# What a browser says when a server is killed: before an answer, or in the middle of one.
KILLED = ["net::ERR_CONNECTION", "net::ERR_EMPTY_RESPONSE", "net::ERR_CONTENT_LENGTH_MISMATCH"]
in_browser = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: `apt-get install chromium`")
Serve = Callable[..., "Served"]
Look = Callable[..., Any]


class Served:
    """A server of the page in a process of its own."""

    def __init__(self, root: Path, *options: str) -> None:
        """Start it, and wait for its address."""
        command = [sys.executable, "-m", "pipeline", "review", "batch", "--reader", "ada", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().strip() or self.process.communicate()[1]

    def stop(self, how: signal.Signals = signal.SIGINT) -> tuple[str, str]:
        """End it, and give what it printed since."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def scored(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_project(registered_project, tmp_path_factory.mktemp("page"))
    folder = project.root / BATCH
    project.sample(folder, IMAGES + len(HOSTILE))
    for number, name in enumerate(HOSTILE):
        os.rename(os.path.join(os.fsencode(folder), b"%05d.png" % number), os.path.join(os.fsencode(folder), name))  # noqa: PTH104, PTH118
    with working_in(project.root):
        score(OUT, contents.load("champion"))
    return project


@pytest.fixture
def root(scored: Project, tmp_path: Path) -> Path:
    copied(scored.root, tmp_path)
    return tmp_path


@pytest.fixture
def serve(root: Path) -> Iterator[Serve]:
    started: list[Served] = []

    def start(*options: str) -> Served:
        started.append(Served(root, *options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGKILL)


@pytest.fixture
def look(browser: Any) -> Iterator[Look]:
    """Give a function that opens a page; at the end nothing was asked of anybody else, and nothing complained."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    context.set_default_timeout(10_000)
    seen: list[str] = []
    origins: set[str] = set()

    expected: list[str] = []

    def open_page(address: str, *told: str) -> Any:
        expected.extend(told)
        page = context.new_page()
        origins.add(re.sub("^(http://[^/]+/).*", r"\1", address))
        page.on("console", lambda message: seen.append(message.text))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: seen.extend([] if request.url.startswith(("data:", *origins)) else [f"request: {request.url}"]),
        )
        page.goto(address)
        page.wait_for_selector("#picture:not([hidden])")
        return page

    yield open_page
    context.close()
    # What a browser says of a server that was killed, or of an answer that is refused, is no fault of the page.
    assert [words for words in seen if not any(one in words for one in expected)] == []


def press(page: Any, value: str) -> str:
    """Press a key, wait for the next picture, and give the name of the one before."""
    name: str = page.inner_text("#name")
    before = page.get_attribute("#original", "src")
    page.keyboard.press(value)
    page.wait_for_function(MOVED_ON, arg=before)
    return name


def press_or_wait(page: Any) -> str:
    """Press a key where there is a picture, and wait until there is another or none."""
    name: str = page.inner_text("#name")
    before = page.get_attribute("#original", "src")
    page.keyboard.press("3")
    page.wait_for_function(f"before => ({MOVED_ON})(before) || document.getElementById('picture').hidden", arg=before)
    return name


def far(page: Any, words: str) -> None:
    page.wait_for_function("words => document.getElementById('far').textContent.startsWith(words)", arg=words)


def keyed(root: Path) -> list[str]:
    with sqlite3.connect(root / OUT / kept.NAME) as connection:
        return [value for (value,) in connection.execute("select value from answer where not is_undone order by number")]


@in_browser
def test_fifty_are_keyed_by_keyboard_alone_and_ctrl_c_says_what_came_of_it(serve: Serve, look: Look, root: Path) -> None:
    served = serve()
    page = look(served.address)
    far(page, f"0 of {IMAGES + len(HOSTILE)} keyed")

    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', { key: '7', repeat: true }))")  # a key that is held
    names = [press(page, "1234567890n"[number % 11]) for number in range(50)]

    assert len(set(names)) == 50
    far(page, f"50 of {IMAGES + len(HOSTILE)} keyed, about ")
    assert keyed(root) == [("none" if one == "n" else one) for one in ("1234567890n" * 5)[:50]]
    out, error = served.stop()
    assert error == ""
    assert served.process.returncode == 0
    assert f"50 of {IMAGES + len(HOSTILE)} doubtful rows keyed, 0 others" in out
    assert "Looked at by people: 50 of" in (root / OUT / "report.html").read_text(encoding="utf-8")


@in_browser
def test_blind_no_guess_is_in_the_page_until_it_comes_again_and_undo_and_reload_lose_nothing(
    serve: Serve, look: Look, root: Path
) -> None:
    page = look(serve("--blind").address)
    assert page.inner_text("#guess") == ""
    assert "sure" not in page.content().split("</style>")[1].split("<script>")[0]

    first = press(page, "n")  # what no model says
    assert page.inner_text("#says") == "no digit: not as it was read. It comes again."
    page.keyboard.press("u")
    page.wait_for_function("name => document.getElementById('name').textContent === name", arg=first)
    assert page.inner_text("#says") == "no digit is taken back"
    assert keyed(root) == []

    press(page, "n")
    page.reload()
    page.wait_for_selector("#picture:not([hidden])")
    others = [press(page, "n") for _ in range(10)]
    page.reload()
    page.wait_for_selector("#picture:not([hidden])")
    assert first not in others
    assert page.inner_text("#name") == first
    assert "ada keyed no digit" in page.inner_text("#guess")
    assert "sure" in page.inner_text("#guess")
    press(page, "3")
    assert len(keyed(root)) == 12


@in_browser
def test_a_server_that_is_killed_loses_no_answer_and_doubles_none(serve: Serve, look: Look, root: Path) -> None:
    served = serve()
    page = look(served.address, *KILLED)
    done = [press(page, "5") for _ in range(3)]
    served.stop(signal.SIGKILL)

    page.keyboard.press("7")

    page.wait_for_function("() => document.getElementById('alarm').textContent.includes('is not kept yet')")
    assert "Your 7 for this picture is not kept yet" in page.inner_text("#alarm")
    name = page.inner_text("#name")
    assert keyed(root) == ["5"] * 3
    page.close()
    again = look(serve().address)
    far(again, "3 of ")
    assert again.inner_text("#name") == name
    assert name not in done
    press(again, "7")
    assert keyed(root) == ["5", "5", "5", "7"]


@in_browser
def test_an_answer_that_breaks_off_is_asked_for_again(serve: Serve, look: Look, root: Path) -> None:
    page = look(serve().address)
    page.evaluate(
        """() => {
            const real = fetch;
            let broken = 0;
            window.fetch = async (...sent) => {
                const reply = await real(...sent);
                if (!sent[0].endsWith("answers") || broken++) return reply;
                const cut = new ReadableStream({ start: (body) => body.error(new TypeError("cut")) });
                return new Response(cut, { status: reply.status });
            };
        }"""
    )

    done = [press(page, "5"), press(page, "6")]

    assert len(set(done)) == 2
    assert keyed(root) == ["5", "6"]


@in_browser
def test_two_tabs_keep_one_answer_of_a_picture_and_the_second_is_told(serve: Serve, look: Look, root: Path) -> None:
    served = serve()
    one, other = look(served.address), look(served.address, "409 (Conflict)")
    assert one.inner_text("#name") == other.inner_text("#name")

    press(one, "4")
    press(other, "9")

    assert re.search("ada keyed 4 for this picture at .*: 9 was not kept", other.inner_text("#alarm"))
    assert keyed(root) == ["4"]


@in_browser
def test_a_batch_that_is_scored_while_the_page_is_open_goes_on_after_it(serve: Serve, look: Look, root: Path) -> None:
    page = look(serve().address)
    store = root / OUT / STORE
    with closing(sqlite3.connect(store)) as connection:
        before = [press(page, "3") for _ in range(3)]
        connection.executescript(
            "create table kept as select * from row; delete from row;"
            " insert into run select number + 1, source, model, method, is_fresh, null from run"
        )
        while page.locator("#picture").is_visible():
            before.append(press_or_wait(page))
        page.wait_for_function("() => document.getElementById('words').textContent.includes('being scored just now')")
        assert page.locator("#end").is_hidden()
        connection.executescript("insert into row select * from kept; update run set manifest = '{}'")

    page.wait_for_selector("#picture:not([hidden])")

    assert page.inner_text("#name") not in before
    far(page, f"{len(before)} of ")
    assert keyed(root) == ["3"] * len(before)


@in_browser
def test_it_works_on_a_phone_by_touch_and_for_who_uses_a_screen_reader_to_the_end(serve: Serve, look: Look, root: Path) -> None:
    page = look(serve().address)
    page.set_viewport_size({"width": 390, "height": 770})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert Axe().run(page).response["violations"] == []

    before = page.inner_text("#name")
    page.get_by_role("button", name="Later").click()
    page.wait_for_function("name => document.getElementById('name').textContent !== name", arg=before)
    while page.locator("#end").is_hidden():
        shown = page.get_attribute("#original", "src")
        page.get_by_role("button", name="8", exact=True).click()
        page.wait_for_function(MOVED_ON, arg=shown)

    assert len(keyed(root)) == IMAGES + len(HOSTILE)
    assert "All is keyed" in page.inner_text("#end")
    assert Axe().run(page).response["violations"] == []
    page.get_by_role("button", name="Undo").last.click()
    page.wait_for_selector("#picture:not([hidden])")
    assert len(keyed(root)) == IMAGES + len(HOSTILE) - 1


@in_browser
def test_another_site_in_the_same_browser_can_neither_read_nor_post(serve: Serve, browser: Any, root: Path) -> None:
    address = serve().address
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#picture:not([hidden])")
    evil = context.new_page()
    evil.route("http://evil.test/", lambda route: route.fulfill(body="<h1>evil</h1>", content_type="text/html"))
    evil.goto("http://evil.test/")

    told = evil.evaluate(
        """async (address) => {
          const tries = [
            fetch(address + "api/items"), fetch(address + "api/undo", { method: "POST", body: "null" }),
            fetch(address + "api/undo", { method: "POST", mode: "no-cors", credentials: "include", body: "null" }),
          ];
          return (await Promise.allSettled(tries)).map((one) => one.status === "fulfilled" ? one.value.type : "failed");
        }""",
        address,
    )

    assert set(told) <= {"failed", "opaque"}
    assert (
        evil.evaluate(
            "address => { const one = document.createElement('iframe'); one.src = address; document.body.append(one); }",
            address,
        )
        is None
    )
    evil.wait_for_timeout(300)
    assert all("Review of" not in frame.content() for frame in evil.frames)
    context.close()


@pytest.fixture
def client(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Ask a server in this process, with what the page's browser sends along."""
    monkeypatch.chdir(root)
    with socket.create_server((server.HOST, 0)) as listening:
        origin = f"http://{server.HOST}:{listening.getsockname()[1]}"
        app = server.application(Session(OUT, "ada", Mode(), SETTINGS), WORD, listening.getsockname()[1])
        serving = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]})
        thread.start()
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        with httpx.Client(base_url=f"{origin}/{WORD}", headers=headers, trust_env=False) as client:
            assert client.get("/").is_success
            yield client
        serving.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("api/progress", {}, 200),
        ("api/progress", {"Host": "evil.test"}, 400),  # a name that was made to lead here
        ("api/progress", {"Origin": "http://evil.test"}, 403),
        ("api/progress", {"Origin": "null"}, 403),
        ("api/progress", {"Origin": "http://127.0.0.1:9999"}, 403),  # another program of this machine
        ("api/progress", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("api/progress", {"Cookie": ""}, 403),
        ("../api/progress", {}, 404),
        ("../another-token/api/progress", {}, 404),
        ("../../etc/passwd", {}, 404),
    ],
)
def test_only_the_page_itself_is_answered(client: httpx.Client, path: str, headers: dict[str, str], status: int) -> None:
    if "Cookie" in headers:
        client.cookies.clear()
    reply = client.get(path, headers=headers)

    assert reply.status_code == status
    assert status == 400 or reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "access-control-allow-origin" not in reply.headers


def test_a_post_without_an_origin_or_of_megabytes_is_refused(client: httpx.Client) -> None:
    assert client.post("api/undo", headers={"Sec-Fetch-Site": "none"}).is_success
    assert client.post("api/undo", content=b"x" * 20_000).status_code == 413
    assert client.post("api/undo", content=(part for part in [b"x"] * 20_000)).status_code == 413
    del client.headers["Origin"]
    assert client.post("api/undo").status_code == 403


def test_the_cookie_goes_to_this_page_alone_and_no_script_sees_it(client: httpx.Client) -> None:
    page = client.get("/")

    assert {"HttpOnly", f"Path=/{WORD}/", "SameSite=strict"} <= set(page.headers["Set-Cookie"].split("; "))
    policy = re.search('Content-Security-Policy" content="([^"]+)"', page.text)
    assert policy
    assert {"default-src 'none'", "connect-src 'self'"} <= set(html.unescape(policy[1]).split("; "))


def test_a_port_that_is_taken_and_is_no_port_are_one_line(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = Served(root, "--port", str(port))
    assert served.address == f"error: port {port}: Address already in use. Name another with --port, or none for a free one.\n"


def test_without_room_on_the_disk_the_page_is_told_why_and_the_same_key_is_kept_later(client: httpx.Client, root: Path) -> None:
    first = client.get("api/items").json()[0]
    key = {"picture": first["picture"], "look": first["look"], "value": "3", "seconds": 1.5, "token": "a" * 32}

    with full_disk():
        refused = client.post("api/answers", json=key)

    assert refused.status_code == 507
    assert refused.json()["detail"].endswith("then key it again.")
    assert keyed(root) == []
    assert client.post("api/answers", json=key).json() == {"outcome": ""}
    assert client.post("api/answers", json=key).json() == {"outcome": ""}  # sent again, since nothing was heard
    assert client.post("api/answers", json={**key, "token": "b" * 32}).status_code == 409
    assert client.post("api/answers", json={**key, "picture": "0" * 16}).status_code == 404
    assert keyed(root) == ["3"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of schemathesis
def test_whatever_is_sent_is_answered_without_an_error_of_the_server(client: httpx.Client) -> None:
    import schemathesis
    from hypothesis import HealthCheck, given, settings
    from hypothesis.errors import Unsatisfiable

    headers = {"Origin": client.headers["Origin"], "Cookie": f"{COOKIE}={WORD}"}
    schema = schemathesis.openapi.from_url(f"{client.base_url}openapi.json", headers=headers)
    statuses = set()
    operations = [schema[path][method] for path in schema for method in schema[path]]
    for operation in operations:
        for mode in schemathesis.GenerationMode:

            @settings(max_examples=40, database=None, deadline=None, suppress_health_check=list(HealthCheck))
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Any) -> None:
                reply = case.call(headers=headers)
                statuses.add(reply.status_code)
                assert reply.status_code < 500, (case, reply.text)

            with suppress(Unsatisfiable):  # there is nothing wrong to be sent where nothing is sent
                send()

    assert len(operations) == 6
    assert {200, 404, 422} <= statuses
