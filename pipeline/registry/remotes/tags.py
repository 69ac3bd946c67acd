"""The tags of the registry here and on the Git remote: what is new there, what is not published, what somebody moved."""

import re
import time
from collections.abc import Iterable

from pipeline import calling, git
from pipeline.calling import RemoteError
from pipeline.registry import versions
from pipeline.registry.remotes.team import Team
from pipeline.registry.versions import ALL, NAME

# For each tag that was made here and is not known to be on the remote, a reference with the same end.
UNPUBLISHED = "refs/digits/unpublished/"
TAGS = "refs/tags/"
# What Git and SSH add to each fault of a connection.
ADVICE = "Please make sure you have the correct access rights and the repository exists"
FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
# More tags in one push start nothing on GitHub.
MOST_AT_ONCE = 3
# The longest that a Git remote may take for tags, where nobody waits for scores.
MOST_SECONDS = 60


def unpublished() -> list[str]:
    """List the tags that the remote is not known to have, oldest first."""
    patterns = (f"{UNPUBLISHED}{one}" for one in ALL)
    waiting = set(git.output("for-each-ref", "--format=%(refname:strip=3)", *patterns).split("\n"))
    known = git.output("for-each-ref", "--sort=taggerdate", "--format=%(refname:strip=2)", *(f"{TAGS}{one}" for one in ALL))
    return [one for one in known.splitlines() if one in waiting]


def creation(made: dict[str, str], *, is_published: bool) -> list[str]:
    """Give the changes of references that add tags."""
    lines = [f"create {TAGS}{name} {found}" for name, found in made.items()]
    return lines if is_published else lines + [f"update {UNPUBLISHED}{name} {found}" for name, found in made.items()]


def as_published(names: Iterable[str]) -> list[str]:
    """Give the changes of references that tell that tags are on the remote."""
    return [f"delete {UNPUBLISHED}{name}" for name in names]


def of_remote(remote: str, seconds: float = MOST_SECONDS) -> dict[str, str]:
    """Ask a Git remote for the hashes of the registry's tags, by their names. Raises RemoteError, also for no ``remote``."""
    if not remote:
        raise RemoteError("there is no Git remote: `git remote add origin ADDRESS` names one")
    printed = _git(remote, seconds, "ls-remote", remote, *(f"{TAGS}{one}" for one in ALL))
    pairs = (line.split("\t") for line in printed.splitlines())
    return {name.removeprefix(TAGS): found for found, name in pairs if not name.endswith("^{}")}


def follow(clone: Team, say: git.Say, seconds: float = MOST_SECONDS) -> list[str]:
    """Take over the tags that others published, and make room for theirs where an unpublished one of ours has the same name.

    No published tag is moved, here or there: one that somebody moved is named, and stays as it is. Gives what a person should
    know, a line each. Raises RemoteError, and PipelineError where another command changes the registry for longer than
    ``seconds``.
    """
    end = time.monotonic() + seconds
    theirs = of_remote(clone.tags, seconds)
    ours = _here()
    coming = theirs.keys() - ours.keys() | _clashing(theirs)
    if coming:
        _git(clone.tags, end - time.monotonic(), *FETCH, clone.tags, *(f"{TAGS}{name}" for name in coming))
    remarks = []
    if coming or set(unpublished()) != ours.keys() - theirs.keys():
        with versions.changing(say, end - time.monotonic()):
            remarks = _take_over(clone, theirs, coming, say)
    return remarks + [
        f"{name} is another tag in {clone.tags} than here: somebody moved it. This clone keeps its own; "
        f"`git fetch {clone.tags} '+{TAGS}{name}:{TAGS}{name}'` takes theirs."
        for name, found in _here().items()
        if theirs.get(name, found) != found
    ]


def _take_over(clone: Team, theirs: dict[str, str], coming: set[str], say: git.Say) -> list[str]:
    """Bring the tags here, and the notes of what is published, in line with the remote's, whose objects are here."""
    ours, waiting = _here(), unpublished()
    arrived = [name for name in coming if name not in ours]
    git.update_refs(
        *(f"create {TAGS}{name} {theirs[name]}" for name in arrived),
        *(f"delete {UNPUBLISHED}{name}" for name in waiting if theirs.get(name) == ours[name]),
        *(f"update {UNPUBLISHED}{name} {found}" for name, found in ours.items() if name not in theirs),
    )
    clashing = coming & _clashing(theirs)
    return _make_room(clone, theirs, clashing, [*arrived, *clashing], say)


def push(clone: Team, made: dict[str, str]) -> None:
    """Push tags that are here as objects: all of them or none, none that is there already. Raises RemoteError."""
    refs = (f"{found}:{TAGS}{name}" for name, found in made.items())
    _git(clone.tags, MOST_SECONDS, "push", "--quiet", "--atomic", "--no-verify", "--no-follow-tags", clone.tags, *refs)


def groups(names: list[str]) -> list[dict[str, str]]:
    """Put tags together that go with one push: those of one version, its own first, and no more than hosts take at once."""
    ours, by_commit = _here(), dict[str, list[str]]()
    for name in names:
        by_commit.setdefault(commit_of(name), []).append(name)
    together = (sorted(one, key=_is_promotion) for one in by_commit.values())
    return [
        {name: ours[name] for name in some[first : first + MOST_AT_ONCE]}
        for some in together
        for first in range(0, len(some), MOST_AT_ONCE)
    ]


def commit_of(name: str) -> str:
    """Give the commit that a tag stands on."""
    return git.output("rev-parse", f"{TAGS}{name}^{{commit}}").strip()


def _clashing(theirs: dict[str, str]) -> set[str]:
    """Name the unpublished tags of ours whose names are others' on the remote."""
    ours = _here()
    return {name for name in unpublished() if theirs.get(name, ours[name]) != ours[name]}


def _make_room(clone: Team, theirs: dict[str, str], clashing: set[str], coming: list[str], say: git.Say) -> list[str]:
    """Give unpublished versions whose names are taken the next ones, and take back promotions that others overtook."""
    remarks, lines = [], []
    promotions = [one for one in unpublished() if _is_promotion(one)]
    overtaken = promotions if any(map(_is_promotion, coming)) else []
    for name in overtaken:
        remarks.append(
            f"{_version_on(commit_of(name))} is no {versions.CHAMPION} any more: {clone.tags} has a promotion that this clone "
            f"did not know of, and {name} was not published yet. `digits promote` promotes it again."
        )
        lines += [f"delete {TAGS}{name}", f"delete {UNPUBLISHED}{name}"] if name not in clashing else []
    taken = [*theirs, *_here()]
    for name in sorted(clashing - set(overtaken)):
        old, new = name.removeprefix(f"{NAME}@"), versions.next_version(taken)
        taken.append(f"{NAME}@{new}")
        commit = commit_of(name)
        kept = [one for one in promotions if one not in overtaken and commit_of(one) == commit]
        changed = [git.Tag(f"{NAME}@{new}", commit, _renamed(name, old, new))]
        changed += [git.Tag(one, commit, _renamed(one, old, new)) for one in kept]
        for one, found in git.tag_objects(*changed, after=ALL, say=say).items():
            lines += [f"update {TAGS}{one} {found}", f"update {UNPUBLISHED}{one} {found}"]
        remarks.append(f"{old} is {new} from now on: it was not published yet, and {clone.tags} has another {old}.")
    lines += [f"update {TAGS}{name} {theirs[name]}" for name in clashing]
    lines += as_published(clashing)
    git.update_refs(*lines)
    return remarks


def _renamed(name: str, old: str, new: str) -> str:
    """Give the message of a tag with another version in it, and without its signature, which is made anew."""
    content, signature = (
        git.output("for-each-ref", f"--format=%(contents{part})", f"{TAGS}{name}") for part in ("", ":signature")
    )
    message = content.removesuffix("\n").removesuffix(signature.removesuffix("\n"))
    return re.sub(rf"(?<![\w.]){re.escape(old)}(?!\.?\d)", new, message)


def _version_on(commit: str) -> str:
    found = git.output("for-each-ref", "--format=%(refname:strip=2)", f"--points-at={commit}", f"{TAGS}{NAME}@*").split()
    return found[-1].removeprefix(f"{NAME}@") if found else commit


def _is_promotion(name: str) -> bool:
    return name.startswith(f"{NAME}#")


def _here() -> dict[str, str]:
    lines = git.tag_list(*ALL, form="%(objectname) %(refname:strip=2)").splitlines()
    return {name: found for found, name in (line.split(" ", 1) for line in lines)}


def _git(remote: str, seconds: float, *arguments: str) -> str:
    try:
        return calling.call(("git", *arguments), seconds)
    except RemoteError as error:
        raise RemoteError(f"{remote}: {str(error).removesuffix(ADVICE).rstrip('. ')}") from error
