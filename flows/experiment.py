"""A training with other settings than those of ``params.yaml``: in a copy of the workspace, kept as a DVC experiment.

``dvc exp run --temp -S`` would run all stages as one: without a task for each, its retries and its time limit, and without a
model for the gate.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_args

from pydantic import BaseModel, ConfigDict, Field, create_model, model_serializer, model_validator

from pipeline import exclusive, git, layout, params
from pipeline.errors import PipelineError
from pipeline.registry.difference import COMPARISONS

# DVC's own folder for temporary files, which Git ignores.
PLACE = Path(".dvc/tmp/digits-experiments")
# The pages of an experiment stay here when its workspace is gone.
KEPT = layout.REPORTS / "experiments"


class _Partial(BaseModel):
    """Settings that are all optional."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        """Drop the fields that a form sends empty."""
        return {name: one for name, one in values.items() if one is not None} if isinstance(values, dict) else values

    @model_serializer(mode="wrap")
    def _given(self, handler: Any) -> dict[str, Any]:
        return {name: one for name, one in handler(self).items() if one is not None}


def _optional(section: type[BaseModel]) -> type[BaseModel]:
    """Make every field of a section optional, and those of the sections in it."""
    fields: dict[str, Any] = {}
    for name, field in section.model_fields.items():
        kinds = [one for one in get_args(field.annotation) if one is not type(None)]
        kind: Any = kinds[0] if type(None) in get_args(field.annotation) and len(kinds) == 1 else field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields[name] = (Optional[_optional(kind)], None)  # noqa: UP045 - of what is known at run time alone
        else:
            fields[name] = (
                Annotated[(kind, *field.metadata)] if field.metadata else kind,
                Field(None, json_schema_extra=_open),
            )
    return create_model(section.__name__, __base__=_Partial, __doc__=section.__doc__, **fields)


def _open(schema: dict[str, Any]) -> None:
    """Remove the default, so that a form does not show it as a value."""
    schema.pop("default")


if TYPE_CHECKING:
    Overrides = BaseModel
else:
    # A run cannot change the bounds that data and models are held to.
    Overrides = create_model(
        "Overrides",
        __base__=_Partial,
        __doc__="Settings of params.yaml for one run; what is left empty is as it stands there.",
        train=(_optional(params.Train), Field(default_factory=dict, validate_default=True)),
        **{
            name: (_optional(section) | None, None)
            for name, section in (("reshape", params.Reshape), ("evaluate", params.Evaluate), ("ingest", params.Ingest))
        },
    )


@contextmanager
def workspace(changes: Mapping[str, Any]) -> Iterator[str]:
    """Work in a copy of the workspace with some settings changed, and give its name. The copy is removed at the end.

    It shares Git's repository and DVC's cache; the user's files, branch and index stay as they are. Its pages are kept below
    ``reports/experiments/``. Raises PipelineError for impossible settings, and while another such copy is in use.
    """
    root, name = Path.cwd(), f"train-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    busy = "another training with overrides is running in this project. Wait for it, then start this one again."
    with exclusive.held(PLACE / ".lock", busy):
        _remove_all(root)  # a run that was killed leaves its copy behind
        place = root / PLACE / name
        try:
            _copy(place)
            _share(root, place)
            os.chdir(place)
            _change(changes)
            yield name
        finally:
            os.chdir(root)
            if place.exists():
                _keep_pages(place, root / KEPT / name)
            _remove_all(root)


def save(name: str) -> None:
    """Keep the working folder's code, settings and outcomes as a DVC experiment. Raises PipelineError."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            repo.experiments.save(name=name, force=True)
    except DvcException as error:
        raise PipelineError(f"{name}: DVC cannot keep the experiment: {' '.join(str(error).split())}.") from error


def lasting(page: Path) -> tuple[Path, Path]:
    """Give the project's root, and the lasting place of a page from there: an experiment's pages are kept aside."""
    here = Path.cwd()
    if here.parent.parts[-len(PLACE.parts) :] != PLACE.parts:
        return here, page
    return here.parents[len(PLACE.parts)], KEPT / here.name / page


def _copy(place: Path) -> None:
    """Check out the last commit beside the workspace, and copy the changes since then of files that Git tracks."""
    from dvc.repo import Repo

    git.output("worktree", "add", "--quiet", "--detach", str(place), "HEAD")
    if changed := git.output("stash", "create").strip():
        git.output("-C", str(place), "restore", f"--source={changed}", "--worktree", "--", ".")
    for folder in filter(Path.exists, (layout.MIRROR, layout.LABELLED)):
        shutil.copytree(folder, place / folder, dirs_exist_ok=True, ignore_dangling_symlinks=True)
    local = Path(".dvc/config.local")
    if local.exists():
        shutil.copyfile(local, place / local)
    with Repo(".") as repo:
        cache = repo.cache.local_cache_dir
    with Repo(str(place)) as copy, copy.config.edit("local") as config:
        config.setdefault("cache", {})["dir"] = cache


def _share(root: Path, place: Path) -> None:
    """Let the copy see the batches that were scored: the gate may replay them."""
    COMPARISONS.mkdir(parents=True, exist_ok=True)
    for folder in filter(Path.is_dir, (layout.SCORES, COMPARISONS, *layout.INBOX.glob("[!.]*"))):
        (place / folder).parent.mkdir(parents=True, exist_ok=True)
        (place / folder).symlink_to(root / folder)


def _change(changes: Mapping[str, Any]) -> None:
    """Write settings into the ``params.yaml`` of the working folder, as DVC does. Raises PipelineError for impossible ones."""
    from dvc.utils.collections import merge_dicts
    from dvc.utils.serialize import modify_yaml

    with modify_yaml(layout.PARAMS) as content:
        merge_dicts(content, dict(changes))
    params.load(layout.PARAMS)


def _keep_pages(place: Path, kept: Path) -> None:
    for pages in (layout.REPORTS, layout.VALIDATION):
        if (place / pages).exists():
            shutil.copytree(place / pages, kept / pages, dirs_exist_ok=True)


def _remove_all(root: Path) -> None:
    for place in (root / PLACE).glob("train-*"):
        shutil.rmtree(place, ignore_errors=True)
    git.output("worktree", "prune")
