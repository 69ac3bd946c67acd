"""Adding tags to the registry: to a team's remote first where there is one, bytes before tags, and then here."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline import git, layout
from pipeline.calling import RemoteError
from pipeline.errors import PipelineError
from pipeline.registry import contents, versions
from pipeline.registry.remotes import objects, tags, team
from pipeline.registry.remotes.objects import LackingError
from pipeline.registry.remotes.team import Team
from pipeline.registry.versions import ALL, HAND, NAME

WORKSPACE = ""
Attempt = Callable[[Team], None]
NEXT = "The next `digits register` or `digits promote` publishes it"
UNKNOWN = "What others published since is not known here"
# The longest that a clone without a team waits for a remote that is asked for its tags, in seconds.
PATIENCE = 10


class OvertakenError(Exception):
    """Others published tags of these names first: what was decided without knowing of them must be decided again."""


@dataclass
class Publication:
    """What one command adds to the registry, and how much of it reaches the team.

    ``say`` is called with what a person should know. Once the remote failed (``fault``), the command asks it nothing more.
    """

    say: git.Say
    clone: Team | None = field(default_factory=team.here)
    fault: str = ""

    def begin(self) -> None:
        """Take over what others published, and publish what stands here alone. Raises PipelineError.

        A clone that was made without tags is refused where it cannot know which versions there are.
        """
        if self.clone:
            self._attempt(self._catch_up)
        if words := versions.left_out():
            self._require_no_tags_elsewhere(words)

    def send_workspace(self) -> None:
        """Push the bytes of what the stages left."""
        recorded = contents.recorded_hash(layout.DVC_LOCK.read_text(encoding="utf-8"), layout.MODEL)
        self._attempt(lambda clone: self._send(clone, WORKSPACE, recorded))

    def add(self, *made: git.Tag) -> None:
        """Add tags, all of them or none, younger than all others of the registry: GTO and DVC compare their times.

        Raises OvertakenError, with nothing changed, where others were first.
        """
        found = git.tag_objects(*made, after=ALL, say=self.say)
        is_published = self._attempt(lambda clone: self._push(clone, found))
        git.update_refs(*tags.creation(found, is_published=is_published))

    @property
    def outcome(self) -> str:
        """Say where the registry's tags stand now; an empty text where nothing leaves the machine."""
        if not self.clone:
            return ""
        waiting = tags.unpublished()
        if not waiting:
            return f"{self.fault}. {UNKNOWN}" if self.fault else f"published: {self.clone.names} have it"
        why = f": {self.fault}" if self.fault else ""
        return f"not published, and here alone, {', '.join(waiting)}{why}. {NEXT}"

    def _attempt(self, do: Attempt) -> bool:
        """Do something with the remotes, unless they failed before; tell whether it was done."""
        if not self.clone or self.fault:
            return False
        try:
            do(self.clone)
        except RemoteError as error:
            self.fault = str(error)
            return False
        return True

    def _catch_up(self, clone: Team) -> None:
        for remark in tags.follow(clone, self.say):
            self.say(f"warning: {remark}")
        for group in tags.groups(tags.unpublished()):
            commit = tags.commit_of(first := next(iter(group)))
            try:
                self._send(clone, commit, contents.recorded_model(commit))
            except LackingError as error:
                self.say(f"warning: {first} is not published: {error}.")
                continue
            tags.push(clone, group)
            git.update_refs(*tags.as_published(group))

    def _send(self, clone: Team, commit: str, model: str | None) -> None:
        if not model:
            raise LackingError("its dvc.lock names no model")
        if remark := objects.push(clone, commit, model):
            self.say(remark)

    def _push(self, clone: Team, found: dict[str, str]) -> None:
        try:
            tags.push(clone, found)
        except RemoteError:
            theirs = tags.of_remote(clone.tags)
            if any(theirs.get(name, one) != one for name, one in found.items()):
                raise OvertakenError from None
            if not found.items() <= theirs.items():  # else only the answer was lost
                raise

    def _require_no_tags_elsewhere(self, words: str) -> None:
        if self.clone and not self.fault:
            return
        remote = team.git_remote()
        try:
            theirs = tags.of_remote(remote, PATIENCE)
        except RemoteError as error:
            raise PipelineError(f"{words} Without them a version could be another model elsewhere, and {error}.") from error
        if theirs:
            raise PipelineError(words)


def promote(version: str, because: str, say: git.Say) -> tuple[bool, str]:
    """Make a registered version the champion, by hand. Raises PipelineError.

    Gives whether anything changed, which it does not where it is that already, and where the registry's tags stand now.
    """
    versions.require_repository()
    publication = Publication(say)
    while True:
        publication.begin()
        with versions.changing(say):
            chosen = versions.find(version)
            if chosen.is_champion:
                return False, publication.outcome
            if f"{NAME}@{version}" in tags.unpublished():
                publication.fault = publication.fault or f"{version} itself is not published"
            try:
                publication.add(versions.assignment(chosen.version, chosen.commit, HAND, because))
            except OvertakenError:
                continue
            return True, publication.outcome
