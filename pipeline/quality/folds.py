"""Reading labelled images by networks that never saw them: those of each part by one that the other parts trained."""

import numpy as np

from pipeline.datasets.dataset import Dataset
from pipeline.datasets.own import NONE
from pipeline.digits.arrays import Floats, Images, Labels
from pipeline.digits.network import metrics, networks
from pipeline.digits.network.learning import training
from pipeline.digits.network.model import probabilities
from pipeline.params import Train

FOLDS = 3
# Half of what the best network takes; what a label says is plain long before.
MOST_EPOCHS = 4
# What is told of each epoch is measured on so many of the images that it never saw.
VALIDATION_IMAGES = 1000


def out_of_sample(images: Images, labels: Labels, settings: Train, tell: training.Tell) -> tuple[Floats, bytes]:
    """Give the probabilities (N, 10) of images, (N, 28, 28, 1) uint8, with labels (N,), and the last network for LiteRT.

    ``tell`` is called after each epoch of each network. Raises PipelineError.
    """
    part = np.random.default_rng(settings.seed).permutation(len(images)) % FOLDS
    epochs = min(training.chosen_recipe(settings).epochs, MOST_EPOCHS)
    logits = np.empty((len(images), networks.CLASSES), np.float32)
    for fold in range(FOLDS):
        is_held = part == fold
        held, held_labels = images[is_held], labels[is_held]
        some = held[:VALIDATION_IMAGES], held_labels[:VALIDATION_IMAGES]
        data = Dataset(f"fold {fold + 1}", images[~is_held], labels[~is_held], *some, *some)
        model, _ = training.fit(data, NONE, settings.model_copy(update={"epochs": epochs}), tell)
        some_logits = networks.up_to_logits(model)
        logits[is_held] = some_logits.predict(held.astype(np.float32), batch_size=training.VALIDATION_BATCH, verbose=0)
    # Trained on smoothed labels, they are less sure than they are right, by which few labels would be confidently another.
    return probabilities(logits, metrics.fit_temperature(logits, labels)), networks.to_litert(model, images)
