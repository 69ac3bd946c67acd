"""Scoring the shards of one run, one after the other, with the model loaded once."""

from os import fsencode

from pipeline.digits.model import Classifier
from pipeline.scoring.job import Job, Scored
from pipeline.scoring.lines import Shard, read_paths
from pipeline.scoring.shard import score_files


class Scorer:
    """A model and what it is to score."""

    def __init__(self, job: Job) -> None:
        """Load the model. Raises ValueError when it is none."""
        self._job = job
        self._folder = fsencode(job.folder)
        self._classifier = Classifier(job.content)

    def score(self, shard: Shard) -> Scored:
        """Score a shard."""
        paths = read_paths(self._job.pending, shard)
        return Scored.of(score_files(self._folder, paths, self._classifier, self._job.version, self._job.rules))
