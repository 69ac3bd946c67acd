"""What the tests of a team share: machines that have nothing in common but a Git remote and a DVC remote."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import Project, copy_project

CARD = "models/digit-cnn/model.json"


@dataclass(frozen=True)
class Hub:
    """Both remotes: ``tags`` is a bare repository of Git, ``objects`` what a DVC remote keeps; and their addresses."""

    tags: Path
    objects: Path
    tags_address: str
    objects_address: str

    def training_machine(self, project: Project, folder: Path, **settings: str) -> Project:
        """Make a machine with a copy of a project, set up for the team; ``settings``: of its DVC remote."""
        machine = copy_project(project, folder)
        machine.run("git", "init", "--quiet", "--bare", "--initial-branch=main", str(self.tags))
        machine.dvc("remote", "add", "--default", "team", self.objects_address)
        for name, value in settings.items():
            machine.dvc("remote", "modify", "team", name, value)
        machine.git("commit", "--quiet", "--all", "--message", "Share with the team")
        machine.git("remote", "add", "origin", self.tags_address)
        machine.run("git", "push", "--quiet", str(self.tags), "main")
        return machine

    def machine(self, folder: Path, *, home: Path | None = None, ssh: str = "ssh") -> Project:
        """Make another machine: a clone with nothing in DVC's cache, and a home of its own unless one is given.

        ``ssh``: the command by which Git reaches other machines.
        """
        machine = Project(folder / "digit-pipeline", home or folder / "home")
        machine.home.mkdir(parents=True, exist_ok=True)
        machine.root.mkdir(parents=True)
        machine.git("-c", f"core.sshCommand={ssh}", "clone", "--quiet", "-c", f"core.sshCommand={ssh}", self.tags_address, ".")
        for name in ("user.name", "user.email"):
            machine.git("config", name, f"{folder.name}@localhost")
        return machine

    @property
    def published(self) -> dict[str, str]:
        """Give the hashes of the registry's tags on the remote, by their names."""
        found = Project(self.tags, self.tags).git("for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/tags")
        return dict(line.split() for line in found.splitlines())

    def kept(self, content: bytes) -> Path:
        """Find a file on the DVC remote by its content."""
        (found,) = (path for path in self.objects.rglob("*") if path.is_file() and path.read_bytes() == content)
        return found


def in_folders(place: Path) -> Hub:
    """Give a hub whose remotes are folders."""
    return Hub(place / "hub.git", place / "objects", str(place / "hub.git"), str(place / "objects"))


def another_model(machine: Project, name: str) -> None:
    """Let the model in a trained workspace be another than before, without training: its card has another name."""
    card = machine.root / CARD
    content = json.loads(card.read_text())
    card.unlink()
    card.write_text(json.dumps(content | {"name": name}))
    machine.dvc("commit", "--force", "train")
    machine.dvc("commit", "--force", "evaluate")


def versions_of(machine: Project) -> dict[str, dict[str, object]]:
    """Give what ``digits models`` knows of each version."""
    return {one["version"]: one for one in json.loads(machine.digits("models", "--json").stdout)}


def score(machine: Project, *options: str) -> dict[str, object]:
    """Let a machine score its batch, and give the manifest."""
    return dict(json.loads(machine.digits("score", "data/inbox/batch", "--json", *options).stdout))
