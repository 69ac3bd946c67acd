"""Scoring the shards of one run, one after the other, with the model loaded once."""

from os import fsencode

from pipeline.digits.network.model import Classifier
from pipeline.scoring import shard as shards
from pipeline.scoring import sheet
from pipeline.scoring.job import Job, Scored
from pipeline.scoring.lines import Shard, read_paths


class Scorer:
    """A model and what it is to score; what people are to be shown of it is written beside the parts."""

    def __init__(self, job: Job) -> None:
        """Load the model. Raises ValueError when it is none."""
        self._job = job
        self._folder = fsencode(job.folder)
        self._classifier = Classifier(job.content)

    def score(self, shard: Shard) -> Scored:
        """Score a shard."""
        job, paths = self._job, read_paths(self._job.pending, shard)
        side = 0 if job.shown_share is None else sheet.SIDE
        readings = list(shards.read(self._folder, paths, job.rules, side))
        rows = shards.rows(paths, readings, self._classifier, job.version, job.rules)
        if job.shown_share is not None:
            sheet.write(job.sheet(shard), sheet.lines(rows, readings, job.shown_share))
        return Scored.of(rows)
