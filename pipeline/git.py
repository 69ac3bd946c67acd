"""Running the user's Git, with their configuration and their identity."""

import getpass
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import calling
from pipeline.errors import PipelineError
from pipeline.names import shown

# A partial clone, which asks a remote for what it lacks, has such a line in its settings.
PARTIAL = re.compile(r"^(remote\..*\.promisor=true|extensions\.partialclone=.*)$", re.MULTILINE)
# A clone without tags has such a line, and so has one of a single branch, which has the tags of that branch alone.
WITHOUT_TAGS = re.compile(r"^remote\..*\.(tagopt=--no-tags|fetch=\+?refs/heads/[^*:]+:.*)$", re.MULTILINE)
# OpenPGP, X.509 and SSH all begin a signature so.
SIGNATURE = "\n-----BEGIN "
MOST_AHEAD_SECONDS = 300
# The longest that a remote may take to send what a partial clone lacks.
MOST_SECONDS = 600

# What is said to a person while a command works.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Tag:
    """An annotated tag to be made."""

    name: str
    commit: str
    message: str


def output(*arguments: str, environment: dict[str, str] | None = None, text: str | None = None) -> str:
    """Run Git and give what it prints. ``text`` is its standard input. Raises PipelineError with Git's own words."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            env={**os.environ, "LC_ALL": "C", **(environment or {})},  # the code below reads what Git says
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise PipelineError("git: not found. Install Git; its tags are the registry.") from None
    if done.returncode:
        raise PipelineError(f"{shown(Path.cwd())}: `git {' '.join(arguments[:2])}` failed: {' '.join(done.stderr.split())}")
    return done.stdout


def show(commit: str, path: Path) -> str | None:
    """Give the text of a file in a commit, None where the commit has no such file."""
    try:
        # In a partial clone this may ask a remote.
        return calling.call(("git", "show", f"{commit}:./{path.as_posix()}"), MOST_SECONDS)
    except PipelineError:
        return None


def show_json(commit: str, path: Path) -> dict[str, Any]:
    """Give the JSON that a commit has of a file; empty where it has none."""
    with suppress(ValueError):
        found = json.loads(show(commit, path) or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def complete(*commits: str, seconds: float = MOST_SECONDS) -> None:
    """Fetch all that a partial clone lacks of some commits, because DVC would wait for it for ever.

    Raises PipelineError where the remote cannot be reached, or takes longer than some ``seconds``.
    """
    if not PARTIAL.search(output("config", "--list")):
        return
    nothing = output("hash-object", "-t", "tree", "--stdin", text="").strip()
    for commit in commits:
        # A command that compares all content fetches what is missing in one go.
        calling.call(("git", "diff", "--numstat", nothing, commit), seconds)


def changed(*paths: Path) -> list[str]:
    """List the files below some paths that are not as the last commit has them, or that it has not."""
    lines = output("status", "--porcelain", "--", *map(str, paths)).splitlines()
    return [line[3:] for line in lines]


def require_commit() -> None:
    """Raise PipelineError outside a Git repository, in a sub-folder of one, and in one without a commit: no tag can be made."""
    _require(
        *("rev-parse", "--git-dir"),
        otherwise="not a Git repository. Clone the project with git: its tags are the registry",
        when="not a git repo",
    )
    if prefix := output("rev-parse", "--show-prefix").strip("/\n"):
        raise PipelineError(
            f"{shown(Path.cwd())}: the sub-folder {shown(prefix)} of a Git repository, and tags are of the whole. Make the "
            f"project a repository of its own: copy it elsewhere or run `git init` here, and commit it."
        )
    _require("rev-parse", "HEAD^{commit}", otherwise="this Git repository has no commit yet. Commit the project first")


def have_user_name() -> None:
    """Give a user without a name, as in a container, their number for a name, because DVC needs one."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())


def require_identity() -> None:
    """Raise PipelineError where Git cannot sign a tag with a name."""
    name = "Set it with `git config user.name NAME` and `git config user.email ADDRESS`"
    _require("var", "GIT_COMMITTER_IDENT", otherwise=f"Git does not know who you are. {name}")


def tag_list(*patterns: str, form: str = "%(refname:strip=2)") -> str:
    """List the tags that fit one of some patterns, such as ``digit-cnn@*``: a line for each, by default its name."""
    return output("for-each-ref", f"--format={form}", *(f"refs/tags/{pattern}" for pattern in patterns))


def common_folder() -> Path:
    """Give Git's own folder, which all worktrees of a repository share."""
    return Path(output("rev-parse", "--git-common-dir").strip())


def fetch_of_tags() -> str:
    """Give the command that fetches the tags of a clone that was made without; an empty text for any other repository."""
    if not output("remote").strip():
        return ""
    if output("rev-parse", "--is-shallow-repository").strip() == "true":
        return "git fetch --tags --unshallow"
    return "git fetch --tags" if WITHOUT_TAGS.search(output("config", "--list")) else ""


def tag_objects(*tags: Tag, after: tuple[str, ...], say: Say) -> dict[str, str]:
    """Write annotated tags that no name points to yet, each younger than every tag that fits a pattern of ``after``.

    They are signed where the user's ``tag.gpgSign`` says so. GTO and DVC compare the times of tags, in whole seconds: a clock
    that stands still or goes back must not hide the last tag. A warning names a tag that was made by a clock that was ahead.
    Gives the hash of each, by its name.
    """
    dated = (line.partition(" ") for line in tag_list(*after, form="%(taggerdate:unix) %(refname:strip=2)").splitlines())
    youngest, name = max(((int(when or 0), name) for when, _, name in dated), default=(0, ""))
    now, first = int(time.time()), youngest + 1
    if first - now > MOST_AHEAD_SECONDS:
        day = f"{datetime.fromtimestamp(first).astimezone():%Y-%m-%d}"
        say(
            f"warning: the tag {name} was made on {day}, by a clock that was ahead. What is tagged from now until then "
            f"gets that date too: the champion is the one whose tag is the youngest."
        )
    first = max(now, first)
    with tempfile.TemporaryDirectory() as folder:
        objects = _tag_objects(Path(folder), tags, first)
    return {one.name: found for one, found in zip(tags, objects, strict=True)}


def update_refs(*changes: str) -> None:
    """Change references, all of them or none, by lines of ``git update-ref --stdin``."""
    output("update-ref", "--stdin", text="".join(f"{line}\n" for line in changes))


def _tag_objects(folder: Path, tags: tuple[Tag, ...], first: int) -> list[str]:
    """Let Git write the objects of tags in ``folder``, a repository that shares the user's objects and settings.

    In the user's own repository, others would see the first tag before the second.
    """
    output("init", "--quiet", "--bare", "--template=", str(folder), environment={"GIT_DIR": str(folder)})
    config, objects = (str(Path(output("rev-parse", "--git-path", one).strip()).absolute()) for one in ("config", "objects"))
    for name, value in (("include.path", config), ("core.hooksPath", os.devnull)):
        output("config", "--file", str(folder / "config"), name, value)
    aside = {"GIT_DIR": str(folder), "GIT_OBJECT_DIRECTORY": objects}
    for number, one in enumerate(tags):
        when = {"GIT_COMMITTER_DATE": f"@{first + number} +0000"}
        how = ("--annotate", "--cleanup=verbatim", "--file=-")
        output("tag", *how, one.name, one.commit, environment=aside | when, text=one.message)
    found = [output("rev-parse", f"refs/tags/{one.name}", environment=aside).strip() for one in tags]
    is_signing = output("config", "--type=bool", "--default=false", "--get", "tag.gpgSign").strip() == "true"
    if is_signing and not all(SIGNATURE in output("cat-file", "tag", one) for one in found):  # Git itself may only warn
        raise PipelineError(
            f"{shown(Path.cwd())}: tag.gpgSign is set, and Git made no signature. See why with `git tag --sign -m trial trial`."
        )
    return found


def _require(*arguments: str, otherwise: str, when: str = "") -> None:
    """Run Git. Raises PipelineError: with the words ``otherwise`` if Git's own contain ``when``, else with Git's own."""
    try:
        output(*arguments)
    except PipelineError as error:
        raise (PipelineError(f"{shown(Path.cwd())}: {otherwise}.") if when in str(error) else error) from None
