"""From what was keyed of an audit to the table of labels that was audited."""

from contextlib import nullcontext
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.labelled import editing, labels
from pipeline.labelled.choosing import TRACKED
from pipeline.names import counted, shown
from pipeline.params import Score
from pipeline.registry import project
from pipeline.review import answers as kept
from pipeline.scoring import manifest as manifests


def settle(out: Path, settings: Score) -> str:
    """Write what a person keyed of an audit into the table of labels, and say what changed; nothing where it is no audit.

    Raises PipelineError.
    """
    manifest = manifests.read(out)
    if manifest is None or not manifest.audit:
        return ""
    folder = Path(manifest.audit["folder"])
    query = (
        "select path, page, value from scores.row join keyed on picture = pixels and pixels <> 0"
        " where value is not null and waits is null"
    )
    with kept.opened(out) as answers:
        keyed = {(path, page): value for path, page, value in answers.execute(query)}
        pages = dict(answers.execute("select path, count(*) from scores.row group by path"))
    if not folder.is_dir():
        raise PipelineError(
            f"{shown(folder)}: not there any more, so that nothing that was keyed could be written to its labels."
        )
    written = labels.read(folder, dict.fromkeys(pages))
    changes = {place: value for place, value in keyed.items() if labels.parsed(value) != written.of(*place)}
    if not changes:
        return "no label was keyed otherwise than it is"
    is_tracked = folder.with_name(f"{folder.name}{TRACKED}").exists() and (folder / labels.FILE).exists()
    with project.tracking(folder) if is_tracked else nullcontext():
        table = editing.change(folder, changes, pages, settings)
    return f"{counted(len(changes), 'label')} changed in {shown(table)}; `git diff` shows them where Git has it"
