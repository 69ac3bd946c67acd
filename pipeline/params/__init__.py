"""Reading ``params.yaml``: an unknown key, a wrong type or an impossible value is an error that names the place."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import faults, layout
from pipeline.digits.pictures.files.limits import Limits
from pipeline.errors import PipelineError
from pipeline.params.recipes import CompactRecipe, PlainRecipe
from pipeline.params.section import Count, NotNegative, Positive, Section, Seed, Share

Pixel = Annotated[float, Field(ge=0, le=255)]
Suffix = Annotated[str, Field(pattern=r"^\.[a-z0-9]+$")]
Dataset = Literal["mnist", "load_digits"]
Architecture = Literal["compact", "plain"]


class Ingest(Section):
    """Which data set, and where it comes from."""

    dataset: Dataset
    mirrors: list[Annotated[str, Field(pattern=r"^https?://.+")]]
    timeout_seconds: Annotated[float, Field(gt=0)]
    attempts: Count


class Validate(Section):
    """The bounds of the expectations; ``params.yaml`` says what each is and how it was calibrated."""

    minimum_images: Count
    minimum_class_share: Annotated[float, Field(ge=0, le=0.1)]
    usual_class_shares: Annotated[list[Share], Field(min_length=2, max_length=2)]
    minimum_ink: Share
    maximum_ink: Share
    minimum_peak: Pixel
    maximum_border: Pixel
    maximum_off_centre: NotNegative
    maximum_strangeness: NotNegative
    maximum_stray_share: Share
    maximum_copied_share: Share
    maximum_label_gap: NotNegative
    maximum_misfit_share: Share
    maximum_disagreement: Share
    maximum_turned_gain: Share
    usual_drift: NotNegative
    maximum_drift: NotNegative

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for low, high in (("minimum_ink", "maximum_ink"), ("usual_drift", "maximum_drift")):
            if getattr(self, low) >= getattr(self, high):
                raise ValueError(f"{low} {getattr(self, low)} is not below {high} {getattr(self, high)}")
        low_share, high_share = self.usual_class_shares
        if low_share >= high_share:
            raise ValueError(f"usual_class_shares {low_share} is not below {high_share}")
        return self


class Reshape(Section):
    """How the training images are split."""

    validation_share: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed


class Collect(Section):
    """What own scans are used for, and how many may be left out, or strange; shares are from 0 to 1."""

    test_share: Annotated[float, Field(gt=0, lt=1)]
    validation_share: Annotated[float, Field(gt=0, lt=1)]
    maximum_left_out_share: Share
    maximum_stray_share: Share


class Train(Section):
    """Which architecture is trained, and the recipe of each; ``own_share`` of what is shown is own scans."""

    architecture: Architecture
    epochs: Count | None
    seed: Seed
    start: Literal["fresh", "champion"]
    own_share: Annotated[float, Field(gt=0, lt=1)]
    compact: CompactRecipe
    plain: PlainRecipe


class Evaluate(Section):
    """How the model is run over the test set."""

    batch_size: Count
    slice_images: Count
    seed: Seed


class Bounds(Section):
    """What a model must reach to be registered."""

    minimum_accuracy: Share
    minimum_recall: Share
    maximum_calibration_error: Share
    minimum_slice_accuracy: Share
    maximum_bytes: Count


class Replay(Section):
    """How many of the last batches a new model is tried on, and how many of their rows it may change."""

    batches: Annotated[int, Field(ge=0)]
    maximum_changed_share: Share | None


class OwnTest(Section):
    """From how many own test scans on models are compared on them."""

    minimum_images: Count


class Register(Section):
    """Who may become champion, and the bounds of each data set: a sample is not held to MNIST's."""

    promotion: Literal["auto", "ask"]
    significance: Annotated[float, Field(gt=0, lt=1)]
    own: OwnTest
    replay: Replay
    mnist: Bounds
    load_digits: Bounds


# mypy does not see that its configuration freezes a Section.
class Score(Section, Limits):  # type: ignore[misc]
    """What counts as an image, and what as doubtful or failed."""

    image_suffixes: Annotated[list[Suffix], Field(min_length=1)]
    minimum_confidence: Share
    maximum_error_share: Share
    maximum_suspect_share: Share
    drift_significance: Share
    drift_effect: Positive
    maximum_seconds: Positive
    remote_seconds: Positive
    shard_size: Count
    inbox_waits_for: Literal["quiet", "ready"]
    quiet_seconds: NotNegative


# A dataclass, because a model of pydantic has methods `validate` and `register` of its own.
@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Params:
    """The whole file, a section for each stage and for the two commands that change a result."""

    ingest: Ingest
    validate: Validate
    reshape: Reshape
    collect: Collect
    train: Train
    evaluate: Evaluate
    register: Register
    score: Score


def load(path: Path) -> Params:
    """Read ``params.yaml`` as DVC does (YAML 1.2: ``1e-3`` is a number). Raises PipelineError with line and key."""
    layout.require_root()
    content = _read(path, "safe")
    try:
        return TypeAdapter(Params).validate_python(content)
    except ValidationError as error:
        placed = _read(path, "rt")  # this way of reading keeps the line numbers, and takes five times as long
        words = "; ".join(faults.describe(fault, placed) for fault in error.errors())
        raise PipelineError(f"{path}: {words}. Mend it and run again.") from None


def _read(path: Path, typ: str) -> Any:
    try:
        return YAML(typ=typ).load(path.read_text(encoding="utf-8"))
    except (YAMLError, ValueError) as error:  # ValueError: bytes that are no UTF-8, a date that is in no calendar
        raise PipelineError(f"{path}: not YAML: {' '.join(str(error).split())}. Mend it and run again.") from None
