"""Stage ``reshape``: the raw images as the 4-D arrays that Keras wants, the training images split in two."""

import numpy as np

from pipeline import layout, params, stages
from pipeline.datasets import dataset, raw
from pipeline.errors import PipelineError


def main() -> None:
    """Run the stage on the project's files, by its section of ``params.yaml``. Raises PipelineError."""
    settings = params.load(layout.PARAMS).reshape
    dataset.write(layout.ARRAYS, split(raw.read(layout.RAW), settings.validation_share, settings.seed))


def split(data: raw.RawData, validation_share: float, seed: int) -> dataset.Dataset:
    """Take the validation images out of the training set, the same share of each digit; the test set stays as it is.

    Raises PipelineError for a share that leaves a part without an image of every digit.
    """
    from sklearn.model_selection import train_test_split

    count = round(len(data.train_labels) * validation_share)
    classes = len(np.unique(data.train_labels))
    if not classes <= count <= len(data.train_labels) - classes:
        raise PipelineError(
            f"params.yaml: reshape.validation_share: {validation_share} of {len(data.train_labels)} images is {count}, which "
            f"leaves validation or training without an image of every digit. Set another share and run again."
        )
    train_images, validation_images, train_labels, validation_labels = train_test_split(
        data.train_images[..., None],
        data.train_labels,
        test_size=count,
        random_state=seed,
        stratify=data.train_labels,
    )
    return dataset.Dataset(
        name=data.dataset,
        train_images=train_images,
        train_labels=train_labels,
        validation_images=validation_images,
        validation_labels=validation_labels,
        test_images=data.test_images[..., None],
        test_labels=data.test_labels,
    )


if __name__ == "__main__":
    stages.run_as_process("reshape", main)
