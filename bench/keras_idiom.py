"""What Keras users write to label a folder of digits: the peer of ``bench.scoring``. Arguments: folder, model.keras, CSV."""

import sys

import keras  # noqa: TID253 - as they do
import pandas as pd


def main(folder: str, model: str, out: str) -> None:
    """Label every picture of a folder."""
    images = keras.utils.image_dataset_from_directory(
        folder, labels=None, color_mode="grayscale", image_size=(28, 28), shuffle=False
    )
    scores = keras.models.load_model(model).predict(images, verbose=0)
    rows = pd.DataFrame({"file": images.file_paths, "label": scores.argmax(axis=1), "confidence": scores.max(axis=1)})
    rows.to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
