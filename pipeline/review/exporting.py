"""What was keyed, for other programs: a CSV of all rows, and tasks for Label Studio, whose answers come back."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import atomic
from pipeline.errors import PipelineError
from pipeline.labelled.labels import NO_DIGIT
from pipeline.names import shown
from pipeline.params import Score
from pipeline.review import answers as kept
from pipeline.review import pictures, summary
from pipeline.review.answers import FIRST, VALUES, Answer, Answers, TakenError
from pipeline.review.sample import TEN_THOUSANDTHS
from pipeline.review.session import MOST_SECONDS
from pipeline.scoring import row
from pipeline.scoring.row import csv_lines, name_in_csv

REVIEWED = "scores.reviewed.csv"
TASKS = "label-studio.json"
KEY = "key"
COLUMNS = ("reviewed_label", "reviewed_at", "reviewer", "seconds", "certified")
# The names that the labelling configuration of Label Studio gives to the picture and to the choice.
IMAGE, CHOICE = "image", "digit"
CONFIGURATION = (
    f'<View><Image name="{IMAGE}" value="${IMAGE}"/><Choices name="{CHOICE}" toName="{IMAGE}">'
    + "".join(f'<Choice value="{value}"/>' for value in VALUES)
    + "</Choices></View>"
)


def write_csv(out: Path) -> Path:
    """Write all rows beside what was keyed of them, and give the file. Raises PipelineError."""
    target = out / REVIEWED
    query = (
        f"select line, value, at, last_reader, seconds, {TEN_THOUSANDTHS} from scores.row"  # noqa: S608 - ours
        " left join keyed on keyed.picture = pixels and pixels <> 0 order by row.path, row.page"
    )
    with (
        kept.opened(out) as answers,
        atomic.replacing(target) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        found = summary.promised(answers)
        certified = found.minimum if found and found.rows else None
        has_head = False
        for line, value, at, reader, seconds, confidence in answers.execute(query):
            (values,) = csv.reader(io.StringIO(line, newline=""))
            if not has_head:
                file.writelines(csv_lines([(*(*row.COLUMNS, *row.PROBABILITIES)[: len(values)], *COLUMNS)]))
                has_head = True
            told = ("",) * 4 if value is None else (value, at, name_in_csv(reader.encode()), f"{seconds:.1f}")
            is_certified = certified is not None and confidence is not None and confidence >= certified
            file.writelines(csv_lines([(*values, *told, "yes" if is_certified else "")]))
    return target


def write_tasks(out: Path, settings: Score) -> Path:
    """Write the doubtful rows as tasks that Label Studio imports, the model's label as a prediction. Raises PipelineError."""
    target = out / TASKS
    with kept.opened(out) as answers, atomic.replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        separator = "["
        for task in _tasks(answers, settings):  # one by one: there may be many, each with its picture
            file.write(f"{separator}\n{json.dumps(task)}")
            separator = ","
        file.write("\n]\n" if separator == "," else "[]\n")
    return target


def _tasks(answers: Answers, settings: Score) -> Iterator[dict[str, Any]]:
    ((model,),) = answers.execute("select model from scores.run order by number desc limit 1")
    rows = answers.execute(
        "select pixels, path, page, label, confidence from scores.row where status = 'review' and pixels <> 0"
        " order by confidence, path, page"
    )
    known = set()
    for picture, path, page, label, confidence in rows:
        if picture in known:
            continue
        known.add(picture)
        seen = pictures.read(answers, path, page, picture, settings)
        if not seen.original:
            continue
        choice = {"from_name": CHOICE, "to_name": IMAGE, "type": "choices", "value": {"choices": [str(label)]}}
        prediction = {"model_version": model, "score": confidence, "result": [choice]}
        yield {
            "data": {IMAGE: pictures.address(seen.original), KEY: f"{picture:016x}", "file": name_in_csv(path), "page": page},
            "predictions": [] if label is None else [prediction],
        }


@dataclass(frozen=True)
class TakenBack:
    """How many answers of an export are ``new``, how many were ``known``, and how many are for pictures of no row."""

    new: int
    known: int
    strange: int

    def __str__(self) -> str:
        """Say it."""
        return f"{self.new:,} answers taken over, {self.known:,} known already, {self.strange:,} of pictures that are not here"


def read_tasks(out: Path, export: Path) -> TakenBack:
    """Take over the answers of an export of Label Studio, all or none. Raises PipelineError where it is none."""
    with kept.opened(out) as answers, answers.together():
        counts = {"new": 0, "known": 0, "strange": 0}
        for answer in _answers(export, answers):
            if answer is None:
                counts["strange"] += 1
                continue
            try:
                counts["new" if answers.add(answer) else "known"] += 1
            except TakenError:
                counts["known"] += 1
    return TakenBack(**counts)


def _answers(export: Path, answers: Answers) -> Iterator[Answer | None]:
    """Yield the answers of an export; None for one of a picture that is in no row."""
    try:
        tasks = json.loads(export.read_text(encoding="utf-8-sig"))
        for task in tasks:
            picture = int(task["data"][KEY], 16)
            rows = answers.execute("select path, page, label from scores.row where pixels = ? limit 1", [picture]).fetchall()
            for annotation in task["annotations"]:
                values = [value for one in annotation["result"] for value in one["value"].get("choices", ())]
                if annotation.get("was_cancelled") or not values:
                    continue
                if len(values) > 1 or values[0] not in VALUES:
                    raise ValueError(f"{values} is no answer: one of {' '.join(VALUES)}")
                seconds = min(float(annotation.get("lead_time") or 0.0), MOST_SECONDS)
                if not rows:
                    yield None
                    continue
                ((path, page, label),) = rows
                token, guess = (
                    shown(f"label-studio {annotation['id']} {picture:016x}"),
                    NO_DIGIT if label is None else str(label),
                )
                yield Answer(token, picture, FIRST, values[0], guess, False, _reader(annotation), seconds, path, page)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PipelineError(
            f"{shown(export)}: no JSON export by Label Studio of the tasks of `digits export --format label-studio`: "
            f"{reason}. Nothing was taken over."
        ) from None


def _reader(annotation: dict[str, Any]) -> str:
    """Give who annotated, which Label Studio says as a number or as a person."""
    by = annotation.get("completed_by")
    return shown(by.get("email") or str(by.get("id")) if isinstance(by, dict) else f"label-studio {by or ''}".strip())
