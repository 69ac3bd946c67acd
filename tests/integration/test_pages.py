"""The pages for people, in a real browser without a network: what they show, and that they ask nobody for anything."""

import csv
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import pandas as pd
import pytest
import vl_convert

from pipeline import params
from pipeline.datasets import sample
from pipeline.registry import contents
from pipeline.scoring import batch as batches
from pipeline.scoring import export, run
from pipeline.scoring.batch import Options
from tests.conftest import CHROMIUM, ROOT, Project, copy_project

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs a browser: `apt-get install chromium`")

SETTINGS = params.load(ROOT / "params.yaml").score
IMAGES = 150
HOSTILE = [
    b"<script>alert(1)<",  # a folder, with the next name: its path has </script> in it
    b"<img src=x onerror=alert(1)>.png",
    b"\"quoted' & <b>bold.png",
    b"=HYPERLINK(1).png",
    b"two\nlines.png",
    "\u202egnp.\N{PARTY POPPER} %41#1?.png".encode(),
    b"no \xff utf-8 \\ \\xff.png",
    b"x" * 251 + b".png",
]

Open = Callable[..., Any]


@pytest.fixture
def view(browser: Any) -> Iterator[Open]:
    """Give a function that opens a page; at the end, nothing else was asked for and nothing complained."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    seen: list[str] = []
    expected: list[str] = []

    def open_page(file: Path, after: str = "", *, may_warn: bool = False, **media: Any) -> Any:
        page = context.new_page()
        page.on("console", lambda message: seen.extend([] if may_warn else [f"console: {message.text}"]))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: seen.extend({request.url} if not request.url.startswith("data:") else ()))
        page.emulate_media(**media)
        expected.append(file.resolve().as_uri())
        page.goto(expected[-1] + after)
        return page

    yield open_page
    context.close()
    assert seen == expected


@pytest.fixture(scope="module")
def project(registered_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a batch in its inbox that was scored: pictures, and names and files that nobody would wish for."""
    project = copy_project(registered_project, tmp_path_factory.mktemp("pages"))
    folder = project.root / "data/inbox/batch"
    sample.cut(project.root / "data/arrays.npz", folder, count=IMAGES)
    content = (folder / "00000.png").read_bytes()
    place = os.fsencode(folder)
    os.mkdir(os.path.join(place, HOSTILE[0]))  # noqa: PTH102, PTH118 - names of any bytes
    for name in (os.path.join(HOSTILE[0], b"script>.png"), *HOSTILE[1:]):  # noqa: PTH118
        with open(os.path.join(place, name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(content)
    (folder / "broken.png").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        _score(folder)
    return project


@pytest.fixture(scope="module")
def scores(project: Project) -> Path:
    return project.root / "data/scores/batch"


def _score(folder: Path, out: Path = Path("data/scores/batch"), **options: Any) -> None:
    model = contents.load("champion")
    run.score(batches.prepare(folder, out, model, SETTINGS, Options(**options)), model, lambda _: None)


@pytest.fixture(scope="module")
def rows(scores: Path) -> list[dict[str, str]]:
    with (scores / "scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(page: Any) -> list[str]:
    found: list[str] = page.locator("#sheet a").all_inner_texts()
    return found


def top(page: Any, selector: str) -> float:
    place: float = page.locator(selector).first.bounding_box()["y"]
    return place


def count(page: Any) -> str:
    text: str = page.locator("#count").inner_text()
    return text


def test_every_row_is_there_errors_first_then_the_doubtful_ones(view: Open, scores: Path, rows: list[dict[str, str]]) -> None:
    page = view(scores / "report.html", "#size=240")

    found = names(page)
    doubtful = sorted((row for row in rows if row["status"] == "review"), key=lambda row: float(row["confidence"] or 2))
    assert len(found) == len(rows)
    assert found[0] == "broken.png"
    assert found[1 : len(doubtful) + 1] == [row["file"] for row in doubtful]
    assert count(page) == f"1 to {len(rows)} of {len(rows)}. All {len(rows)} rows are here."


def test_a_card_shows_the_picture_beside_what_the_network_saw_and_what_it_said(view: Open, scores: Path) -> None:
    page = view(scores / "report.html", "#search=00007.png")

    card = page.locator(".card")
    pixels = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, at) => at % 4 == 0)"
    original, seen = (card.locator("canvas").nth(number).evaluate(pixels) for number in (0, 1))
    assert max(seen) > 200
    assert original == [255 - pixel for pixel in seen]
    assert card.locator("strong").inner_text() in "0123456789"
    assert "ok" in card.inner_text()


def test_what_cannot_be_read_has_its_reason_in_place_of_a_picture(view: Open, scores: Path) -> None:
    page = view(scores / "report.html", "#status=error")

    assert names(page) == ["broken.png"]
    assert "not an image that can be read" in page.locator(".card").inner_text()
    assert page.locator(".picture").all_inner_texts() == ["no picture", "not read"]


def test_names_are_shown_and_never_run_and_lead_to_their_files(view: Open, scores: Path, project: Project) -> None:
    page = view(scores / "report.html", "#size=240")

    addresses = page.locator("#sheet a").evaluate_all("links => links.map(link => link.href)")
    files = {unquote_to_bytes(urlsplit(address).path) for address in addresses}
    place = os.fsencode(project.root / "data/inbox/batch")
    there = {os.path.join(folder, name) for folder, _, found in os.walk(place) for name in found}  # noqa: PTH118
    assert files == there
    text = page.locator("#sheet").inner_text()
    assert "<script>alert(1)</script>.png" in text
    assert r"two\nlines.png" in text
    assert r"no \xff utf-8 \\ \\xff.png" in text
    assert r"\u{202e}gnp.🎉 %41#1?.png" in text
    assert "x" * 251 + ".png" in text
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_rows_are_filtered_by_label_status_and_reason(view: Open, scores: Path, rows: list[dict[str, str]]) -> None:
    page = view(scores / "report.html")

    page.locator("[name=label]").select_option("3")
    page.locator("[name=size]").select_option("240")
    assert sorted(names(page)) == sorted(row["file"] for row in rows if row["label"] == "3")
    page.locator("[name=status]").select_option("review")
    assert sorted(names(page)) == sorted(row["file"] for row in rows if (row["label"], row["status"]) == ("3", "review"))
    page.get_by_role("button", name="Show all").click()
    page.locator("[name=reason]").select_option("not an image that can be read")
    assert names(page) == ["broken.png"]
    assert count(page).startswith("1 to 1 of 1 that fit.")
    page.get_by_role("link", name="review", exact=True).click()
    page.wait_for_function("() => document.querySelector('[name=status]').value")
    assert page.locator("[name=status]").input_value() == "review"


def test_rows_are_found_by_name_and_sorted(view: Open, scores: Path) -> None:
    page = view(scores / "report.html")

    page.locator("[name=search]").fill("0001")
    page.locator("[name=order]").select_option("name")
    assert names(page) == ["00001.png", *(f"0001{number}.png" for number in range(10))]
    page.locator("[name=search]").fill("nothing is called so")
    assert names(page) == []
    assert count(page).startswith("No row")
    page.locator("[name=search]").fill("")
    page.locator("[name=order]").select_option("sure")
    confidences = page.locator(".answer span:first-of-type").all_inner_texts()
    assert all(confidence.endswith(" %") for confidence in confidences)
    assert confidences == sorted(confidences, key=lambda text: float(text.split()[0]), reverse=True)


def test_pages_are_turned_and_can_be_linked_to(view: Open, scores: Path, rows: list[dict[str, str]]) -> None:
    page = view(scores / "report.html", "#order=name")

    first = names(page)
    page.get_by_role("button", name="Next").click()
    second = names(page)
    page.get_by_role("button", name="Next").click()
    last = names(page)
    assert [len(first), len(second), len(last)] == [60, 60, len(rows) - 120]
    assert page.locator("#next").get_attribute("aria-disabled") == "true"
    page.get_by_role("button", name="Next").click(force=True)
    assert names(page) == last
    assert names(view(scores / "report.html", "#order=name&page=2")) == second
    assert names(view(scores / "report.html", "#order=name&page=99")) == last


def test_everything_is_done_by_keyboard_too(view: Open, scores: Path) -> None:
    page = view(scores / "report.html")
    first = names(page)

    page.keyboard.press("ArrowRight")
    assert names(page) != first
    page.keyboard.press("ArrowLeft")
    assert names(page) == first
    page.keyboard.press("/")
    page.keyboard.type("broken")
    assert names(page) == ["broken.png"]
    page.keyboard.press("ArrowLeft")  # in a field it moves in the text
    page.keyboard.press("Escape")
    assert names(page) == first
    page.keyboard.press("/")
    for key in ("Tab", "3"):  # to the labels, and the one that begins so
        page.keyboard.press(key)
    assert page.locator("[name=label]").input_value() == "3"
    for _ in range(6):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "next"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_can_be_read_by_everybody_in_light_and_dark(view: Open, scores: Path, scheme: str) -> None:
    page = view(scores / "report.html", color_scheme=scheme)

    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert_accessible(page)


def violations(page: Any) -> list[dict[str, Any]]:
    from axe_playwright_python.sync_playwright import Axe

    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return found


def assert_accessible(page: Any) -> None:
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations(page)] == []


def test_on_a_phone_the_first_picture_is_on_the_first_screen(view: Open, scores: Path) -> None:
    page = view(scores / "report.html")
    assert top(page, ".about") < top(page, "#sheet")

    page.set_viewport_size({"width": 390, "height": 844})

    assert top(page, ".card") + 165 < 844
    assert top(page, ".about") > top(page, "#sheet")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_print_has_the_pictures_and_not_what_chooses_them(view: Open, scores: Path) -> None:
    page = view(scores / "report.html", media="print", color_scheme="dark")

    assert not page.locator("#controls").is_visible()
    assert page.locator(".card").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_report_stands_by_itself_when_the_pictures_have_gone(view: Open, scores: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(scores / "report.html", tmp_path))

    page = view(alone, "#size=240")

    assert page.locator("canvas").count() >= 2 * IMAGES


@pytest.fixture(scope="module")
def training(project: Project) -> Path:
    assert project.digits("report").stdout == "reports/training.html\nMODEL_CARD.md\n"
    return project.root / "reports/training.html"


def test_a_training_is_shown_whole(view: Open, training: Path, project: Project) -> None:
    page = view(training)

    text = page.locator("main").inner_text()
    metrics = json.loads((project.root / "metrics/evaluation.json").read_text())
    wrong = round((1 - metrics["accuracy"]) * metrics["images"])
    assert page.locator("h1").inner_text() == "digit-cnn v1.0.0, trained on load_digits"
    assert f"accuracy {metrics['accuracy']:.4f}" in text
    assert page.locator(".headline").inner_text() == "Champion v1.0.0: kept all five bounds, with no champion before it"
    rows = [[cell.strip() for cell in row.split("\t")] for row in page.locator(".bounds tr").all_inner_texts()]
    assert [row[0] for row in rows[1:3]] == ["accuracy", "smallest recall"]
    bound = params.load(project.root / "params.yaml").register.load_digits.minimum_accuracy
    used = (1 - metrics["accuracy"]) / (1 - bound)
    spare = f"{metrics['accuracy'] - bound:.4f} to spare"
    assert rows[1][1:] == [f"{metrics['accuracy']:.4f}", f"at least {bound:.4f}", spare, f"{100 * used:.0f} %"]
    bar = page.locator(".bounds .bar").first
    assert float(bar.get_attribute("width")) == pytest.approx(100 * used, abs=0.1)
    assert page.locator(".charts svg").count() == 4
    assert page.locator(".slices").nth(0).locator("li").count() == 12
    assert f"{metrics['worst_slice']}, the worst" in text
    assert f"{wrong} of {metrics['images']} test images" in text
    errors = page.locator(".slices").nth(1).locator("li")
    assert errors.count() == min(wrong, 100)
    sureness = [float(line.split()[1]) for line in errors.all_inner_texts()]
    assert sureness == sorted(sureness, reverse=True)
    assert page.locator("img").evaluate_all("images => images.every(image => image.naturalWidth >= 28)")
    assert "git clone" in page.locator("pre").inner_text()
    page.locator("summary").click()
    assert "train.epochs" in page.locator("details").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_training_report_can_be_read_by_everybody(view: Open, training: Path, scheme: str) -> None:
    page = view(training, color_scheme=scheme)

    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def replay(two_models: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_project(two_models, tmp_path_factory.mktemp("replay"))
    project.digits("compare", "v1.0.0", "v1.1.0", "--on", "data/inbox/batch")
    return project.root / "data/comparisons/v1.0.0-v1.1.0"


def test_a_replay_shows_the_rows_that_change_with_both_answers(view: Open, replay: Path) -> None:
    page = view(replay / "changed.html")

    with (replay / "changed.csv").open(encoding="utf-8", newline="") as file:
        changed = {row["file"]: row for row in csv.DictReader(file)}
    assert sorted(names(page)) == sorted(changed)
    first = changed[names(page)[0]]
    words = page.locator(".card").first.inner_text().split()
    both = [(first[f"label_{version}"], float(first[f"confidence_{version}"])) for version in ("v1.0.0", "v1.1.0")]
    answers = [words for label, confidence in both for words in (label, f"{100 * confidence:.1f}")]
    assert [words[words.index(version) + place] for version in ("v1.0.0", "v1.1.0") for place in (1, 2)] == answers
    assert page.locator(".picture canvas, .picture img").count() >= len(changed)
    assert count(page).endswith(f"All {len(changed)} rows are here.")
    assert_accessible(page)


def test_a_replay_of_nothing_that_changes_says_so(view: Open, two_models: Project, tmp_path: Path) -> None:
    two_models.digits("compare", "v1.0.0", "v1.0.0", "--on", "data/inbox/batch", "--out", str(tmp_path))

    page = view(tmp_path / "changed.html")

    assert count(page) == "No row. All 0 rows are here."


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_data_docs_are_whole_without_a_network(view: Open, project: Project, scheme: str) -> None:
    docs = project.root / "data/validation/data-docs"
    report = view(docs.with_name("report.html"), color_scheme=scheme)
    assert_accessible(report)
    report.set_viewport_size({"width": 390, "height": 844})
    assert report.evaluate("document.documentElement.scrollWidth <= innerWidth")
    index = view(docs / "index.html", color_scheme=scheme)
    counts = {
        name: f"{count:,} {name} images" for name, count in json.loads((docs / "../verdict.json").read_text())["images"].items()
    }
    assert f"{', '.join(counts.values())}. All " in index.locator("main").inner_text()
    assert index.locator("h1").inner_text() == "Data Docs of load_digits"
    day = datetime.fromtimestamp((docs / "index.html").stat().st_mtime, UTC).astimezone()
    assert index.locator("#written").inner_text() == f"Written here on {day.day} {day:%B %Y} at {day:%H:%M}."
    assert_accessible(index)
    places = index.locator("li a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert len(places) == 2

    for place in places:
        page = view(docs / place, color_scheme=scheme)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        serious = [one["id"] for one in violations(page) if one["impact"] in ("serious", "critical")]
        assert serious == []
    found = page.locator("body").inner_text()
    assert "no_image_is_blank, train images (warning)" in found
    headings = [words.inner_text().strip() for words in page.locator("h5").all()]
    assert "Ink at the border, 0 to 255" in headings
    assert not [words for words in headings if "_" in words]
    assert not re.search("None|null|unexpected|Sampled", found)
    assert "Evaluated Expectations" in found
    before = page.locator("tr:visible").count()
    page.get_by_label("Failed Only").check()
    assert page.locator("tr:visible").count() < before


def test_plots_of_dvc_are_drawn_without_a_network(view: Open, project: Project) -> None:
    project.run(sys.executable, "-m", "pipeline.reports.dvc_plots")
    project.dvc("plots", "show")

    page = view(project.root / "dvc_plots/index.html", may_warn=True)

    page.locator("canvas, svg.marks").nth(5).wait_for()
    assert page.locator("canvas, svg.marks").count() == 6
    assert project.git("status", "--porcelain", ".dvc", "dvc_plots") == ""


def test_plots_of_dvc_count_errors_and_answers(project: Project) -> None:
    answers = pd.read_csv(project.root / "plots/confusion.csv")
    wrong = (answers["actual"] != answers["predicted"]).groupby(answers["actual"]).sum()

    def drawn(plot: str) -> Counter[str]:
        spec = project.dvc("plots", "show", "--show-vega", plot).stdout
        return Counter(re.findall("<text[^>]*>([0-9.%]+)</text>", vl_convert.vegalite_to_svg(spec)))

    assert not Counter(map(str, wrong)) - drawn("Errors by digit")
    assert not Counter(map(str, answers.value_counts())) - drawn("plots/confusion.csv")
    slices = pd.read_csv(project.root / "plots/slices.csv")
    shares = [f"{100 * share:.1f}%" for share in (*(1 - slices["accuracy"]), *slices["review"])]
    assert not Counter(shares) - drawn("plots/slices.csv")
    assert not Counter(map(str, pd.read_csv(project.root / "plots/reliability.csv")["images"])) - drawn("plots/reliability.csv")


def test_of_too_many_rows_a_report_holds_some_and_says_so(
    view: Open, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(export, "MOST_SHOWN", 40)
    monkeypatch.setattr(export, "MOST_DOUBTFUL", 3)

    _score(project.root / "data/inbox/batch", tmp_path)

    page = view(tmp_path / "report.html")
    assert 20 < len(names(page)) <= 40
    assert "Here are 3 of the" in count(page)
    assert f"doubtful rows, the least confident, and {len(names(page)) - 3} of the other" in count(page)
