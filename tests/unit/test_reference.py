"""The stored reference: it says what scikit-learn says, and tells digits from other pictures."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from bench import quality
from pipeline.datasets import idx
from pipeline.digits.pictures import features
from pipeline.quality import reference
from pipeline.stages import ingest

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def training() -> Data:
    files = list(ingest.sample().values())
    return idx.decode(files[0]), idx.decode(files[1])


def fitted(images: np.ndarray, labels: np.ndarray) -> reference.Reference:
    table = features.image_features(images, labels, "train", [str(index) for index in range(len(images))])
    return quality.fit(images, labels, table)


def test_likelihoods_are_those_of_scikit_learn(training: Data) -> None:
    images, labels = training
    pixels = images.reshape(len(images), -1) / 255
    principal = PCA(quality.COMPONENTS, svd_solver="covariance_eigh").fit(pixels)
    analysis = QuadraticDiscriminantAnalysis(priors=[0.1] * 10, reg_param=quality.SHRINKAGE)
    likelihoods = analysis.fit(principal.transform(pixels), labels).predict_log_proba(principal.transform(pixels))

    measured = fitted(images, labels).measure(images, labels)

    expected = likelihoods.max(axis=1) - likelihoods[np.arange(len(labels)), labels]
    np.testing.assert_allclose(measured["label_gap"], expected, atol=0.02)
    rebuilt = principal.inverse_transform(principal.transform(pixels))
    np.testing.assert_allclose(measured["strangeness"], np.square(pixels - rebuilt).sum(axis=1), atol=0.01)


def test_the_stored_reference_is_the_one_that_the_sample_gives(training: Data) -> None:
    images, labels = training

    stored, made = (one.measure(images, labels) for one in (reference.load("load_digits"), fitted(images, labels)))

    np.testing.assert_allclose(stored["label_gap"], made["label_gap"], atol=0.05)
    assert fitted(images, labels).drift(features.image_features(images, labels, "train", [""] * len(images)))[
        "drift"
    ].abs().max() == pytest.approx(0, abs=1e-4)


def test_a_data_set_that_is_not_known_is_held_to_mnist(training: Data) -> None:
    images, labels = training

    other, mnist = (reference.load(name) for name in ("some scans", "mnist"))

    assert not reference.is_known("some scans")
    assert other.agreement(images, labels) == mnist.agreement(images, labels) > 0.7


def test_a_label_that_is_no_digit_fits_nothing(training: Data) -> None:
    images, labels = training

    gaps = reference.load("load_digits").measure(images[:2], np.array([labels[0], 200], np.uint8))["label_gap"]

    assert gaps.tolist() == [0, reference.NO_FIT]
