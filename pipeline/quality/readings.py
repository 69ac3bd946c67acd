"""Images and own scans, read as scoring reads pictures: what the metrics and the profile of a model are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.datasets.own import Own
from pipeline.digits.arrays import Floats, Gray, Images
from pipeline.digits.network import metrics, slices
from pipeline.digits.network.model import Classifier, in_batches
from pipeline.digits.network.second_look import look_again
from pipeline.digits.pictures import normalising, traits, trust
from pipeline.digits.pictures.files import decoding
from pipeline.digits.pictures.normalising import Glyph
from pipeline.digits.pictures.traits import Traits


class Readings(NamedTuple):
    """What a model reads of N pictures: ``logits`` (N, 10), ``answers`` (N,), and ``confidences`` (N,), from 0 to 1.

    ``doubts``: why a person has to look at each, or empty texts; ``traits`` (N, 7).
    """

    logits: Floats
    answers: npt.NDArray[np.int64]
    confidences: Floats
    doubts: list[str]
    traits: Traits

    @property
    def is_ok(self) -> npt.NDArray[np.bool_]:
        """Whether nobody has to look at each, (N,)."""
        return ~np.array(self.doubts, np.bool_)


@dataclass(frozen=True)
class Reader:
    """How a model reads: its logits are divided by ``temperature``, and what is less than ``minimum_confidence`` is doubted."""

    classifier: Classifier
    temperature: float
    batch_size: int
    minimum_confidence: float

    def of_images(self, images: Images, change: slices.Slice, seed: int) -> Readings:
        """Read images, (N, 28, 28, 1) uint8, light on black; ``change`` makes each a file, of equal bytes by an equal seed."""
        pictures = list(_scanned(images, change, seed))
        glyphs = [normalising.normalise(picture) for picture in pictures]
        logits, answers, confidences = self._read(fields_of(glyphs))
        each = zip(glyphs, answers.tolist(), confidences.tolist(), strict=True)
        doubts = [trust.doubt(glyph, digit, sure, self.minimum_confidence) for glyph, digit, sure in each]
        return Readings(logits, answers, confidences, doubts, traits.of(list(map(traits.shades, pictures)), glyphs))

    def of_own(self, scans: Own) -> Readings:
        """Read own scans."""
        logits, answers, confidences = self._read(scans.images)
        each = zip(answers.tolist(), confidences.tolist(), scans.is_odd.tolist(), scans.is_cut.tolist(), strict=True)
        doubts = [
            trust.UNLIKE if odd else trust.doubt_of_answer(digit, sure, self.minimum_confidence, is_cut=cut)
            for digit, sure, odd, cut in each
        ]
        return Readings(logits, answers, confidences, doubts, scans.traits)

    def _read(self, fields: Images) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
        first = in_batches(self.classifier, fields, self.batch_size)
        logits = look_again(self.classifier, fields, first, self.temperature)
        return logits, *metrics.answers_and_confidence(logits, self.temperature)


def as_scanned(images: Images, change: slices.Slice, seed: int) -> list[Glyph]:
    """Make images files, decode these and normalise them, as scans are, so that a fault in that shows in the metrics."""
    return [normalising.normalise(picture) for picture in _scanned(images, change, seed)]


def fields_of(glyphs: list[Glyph]) -> Images:
    """Give what the network sees of pictures, (N, 28, 28, 1) uint8."""
    return np.stack([glyph.field for glyph in glyphs])[..., np.newaxis]


def _scanned(images: Images, change: slices.Slice, seed: int) -> Iterator[Gray]:
    random = np.random.default_rng(seed)
    for image in images:
        yield decoding.decode(change(image[..., 0], random), maximum_pixels=slices.MAXIMUM_PIXELS)
