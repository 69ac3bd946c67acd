"""Trying the remotes of a team: one reading and one writing each, and the command that mends what fails."""

import re
from dataclasses import dataclass

from pipeline import calling, git
from pipeline.calling import RemoteError
from pipeline.registry.remotes import objects, tags
from pipeline.registry.remotes.team import Team

# What is pushed to try writing; it is removed at once.
TRIAL = "refs/digits/trial"
SECONDS = 30
NOT_TRIED = "not tried"
OTHER_HOST_KEY = "`ssh-keygen -R HOST`, if whoever keeps it says that its key changed, and `ssh HOST` once"
# The first pattern that a fault has names what mends it.
OF_GIT = (
    (r"Host key verification", OTHER_HOST_KEY),
    (r"\(publickey", "`ssh-add FILE`, with the key that it knows"),
    (
        r"could not read (Username|Password)|Authentication failed",
        "`git config credential.helper HELPER`, with one that knows the password",
    ),
    (r"no Git remote", "`git remote add origin ADDRESS`"),
    (r"declined|rejected|denied|not allowed|read.only", "ask for the right to push to it"),
    (r"", "`git ls-remote {name}` tells more, `git remote set-url {name} ADDRESS` names another place"),
)
OF_DVC = (
    (r"missing dependencies|to be installed", "`pip install '.[ssh]'` or `'.[s3]'`, as its address begins"),
    (r"[Hh]ost key", OTHER_HOST_KEY),
    (r"redentials|AccessKey|SignatureDoesNotMatch", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"),
    (r"Permission denied for user|PermissionDenied", "`dvc remote modify --local {name} keyfile FILE`, or `ssh-add FILE`"),
    (r"ermission|Forbidden|denied", "ask for the right to write there"),
    (r"", "`dvc remote modify {name} url ADDRESS` names another place"),
)


@dataclass(frozen=True)
class Trial:
    """What came of trying a remote: its name and address, and the faults of reading and writing, empty where they work."""

    name: str
    address: str
    reading: str
    writing: str
    mending: str

    @property
    def is_well(self) -> bool:
        """Tell whether both work."""
        return not self.reading and not self.writing


def of_tags(clone: Team) -> Trial:
    """Try the Git remote."""
    name = clone.tags
    address = calling.without_credentials(git.output("remote", "get-url", name).strip()) if name else ""
    try:
        tags.of_remote(name, SECONDS)
    except RemoteError as error:
        return Trial(name, address, str(error), NOT_TRIED, mending(OF_GIT, str(error), name))
    content = git.output("hash-object", "-w", "--stdin", text="digits remote tries to write here\n").strip()
    push = ("git", "push", "--quiet", "--no-verify", "--no-follow-tags", name)
    try:
        calling.call((*push, f"+{content}:{TRIAL}"), SECONDS)
        calling.call((*push, f":{TRIAL}"), SECONDS)
    except RemoteError as error:
        return Trial(name, address, "", str(error), mending(OF_GIT, str(error), name))
    return Trial(name, address, "", "", "")


def of_objects(clone: Team) -> Trial:
    """Try the DVC remote."""
    name = clone.objects
    try:
        found = objects.check(clone, SECONDS)
    except RemoteError as error:
        found = {"address": "", "read": str(error), "write": NOT_TRIED}
    fault = found["read"] or found["write"]
    return Trial(name, found["address"], found["read"], found["write"], mending(OF_DVC, fault, name) if fault else "")


def mending(known: tuple[tuple[str, str], ...], fault: str, name: str) -> str:
    """Name what mends a fault of the remote ``name``: a command where there is one."""
    return next(words for pattern, words in known if re.search(pattern, fault)).format(name=name)
