"""The site of the pages, made as ``make docs`` makes it, and opened in a browser without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CHROMIUM, ROOT


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the site is made of."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("Makefile", "CITATION.cff", *(page.name for page in ROOT.glob("*.md"))):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def make(pages: Path) -> subprocess.CompletedProcess[str]:
    # -o: the environment is there already.
    command = ["make", "-o", ".venv/ready", "docs"]
    # What calls the tests may be make itself, which would have this one print more.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(command, cwd=pages, env=kept | {"NO_COLOR": "1"}, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not CHROMIUM, reason="needs a browser: `apt-get install chromium`")
def test_the_site_opens_and_is_searched_without_a_network(pages: Path, browser: Any) -> None:
    done = make(pages)
    assert done.returncode == 0, done.stderr
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.extend([request.url] if request.url.startswith("http") else []))

    page.goto((pages / done.stdout.splitlines()[-1]).as_uri())
    assert page.locator("h1").inner_text().startswith("digit-pipeline")
    images = page.locator("article img")
    assert images.evaluate_all("images => images.every(image => image.naturalWidth > 300)")
    page.get_by_role("button", name="Search").first.click()
    page.get_by_placeholder("Search").fill("promise certify")
    found = page.locator("a[href*='docs/review.html']").filter(has_text="certify")
    found.first.wait_for(timeout=20_000)
    for other in sorted((pages / ".docs/site").rglob("*.html")):
        page.goto(other.as_uri())
        assert page.locator("h1").count()
    page.wait_for_load_state("networkidle")
    assert asked == []
    context.close()


@pytest.mark.parametrize("link", ["no-such.md", "scoring.md#no-such"])
def test_a_link_that_leads_nowhere_stops_it(pages: Path, tmp_path: Path, link: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(pages, copy, symlinks=True)
    with (copy / "docs/tour.md").open("a") as file:
        file.write(f"[words]({link})\n")

    done = make(copy)

    assert done.returncode
    assert "docs/tour.md" in done.stdout + done.stderr
