"""How a network is trained: the recipe of each architecture, below ``train`` in ``params.yaml``."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.section import Count, NotNegative, Positive, Section, Share

Form = Literal["slender", "small_heads", "mirrored_nines", "short_fours", "fours_as_h", "displays"]


class PlainRecipe(Section):
    """How ``plain`` is trained: Adam at one learning rate, on the images as they are."""

    batch_size: Count
    epochs: Count
    loss: Literal["sparse_categorical_crossentropy"]
    learning_rate: Positive


class European(Section):
    """Shares of the ones that get an upstroke, and of the sevens that get a crossbar."""

    upstroke_share: Share
    crossbar_share: Share


class Warp(Section):
    """The most that images are warped; each image gets its own amount. ``slant`` is a share of the height.

    Images grow by up to ``exp(scale)``, and by ``exp(aspect)`` in width against height. The weights of the waves that bend them
    have a standard deviation of up to ``bend_pixels``.
    """

    rotation_degrees: Annotated[float, Field(ge=0, le=180)]
    slant: Annotated[float, Field(ge=0, le=1)]
    scale: Annotated[float, Field(ge=0, le=1)]
    aspect: Annotated[float, Field(ge=0, le=1)]
    shift_pixels: Annotated[float, Field(ge=0, le=14)]
    bend_pixels: NotNegative


class Pens(Section):
    """The share of the images that gets each change."""

    thicken: Share
    thin: Share
    blur: Share
    fade: Share
    harden: Share
    specks: Share
    lines: Share
    gaps: Share


class Augmentation(Section):
    """How training images are changed; shares are from 0 to 1.

    ``european``: the shares of ones and sevens that get a European form; ``european_share``: the share of the epochs that show
    it. ``hands``: the shares of digits that get another form in an epoch, 0 where it is not named; a digit gets one at most.
    ``outlier_share``: the share of an epoch's pictures that is no digit. In the last ``late_epochs``, ``hands``, ``warp`` and
    ``pens`` have ``late_strength``.
    """

    european: European
    european_share: Share
    hands: dict[Form, Annotated[float, Field(ge=0, le=0.2)]]
    outlier_share: Annotated[float, Field(ge=0, lt=1)]
    warp: Warp
    pens: Pens
    late_epochs: Annotated[int, Field(ge=0)]
    late_strength: Share


class CompactRecipe(Section):
    """How ``compact`` is trained: by Muon on a one-cycle schedule, on augmented digits and a few pictures that are no digit."""

    batch_size: Count
    epochs: Count
    minimum_steps: Annotated[int, Field(ge=0)]
    peak_learning_rate: Positive
    warmup_share: Annotated[float, Field(gt=0, lt=1)]
    weight_decay: NotNegative
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    average_momentum: Annotated[float, Field(ge=0, lt=1)]
    augmentation: Augmentation


Recipe = CompactRecipe | PlainRecipe
