"""What goes wrong with data sets, done on purpose: each corruption, and the expectation that has to catch it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.datasets import idx, raw
from pipeline.datasets.raw import RawData
from pipeline.digits.arrays import Images
from pipeline.quality.expectations import CRITICAL, WARNING, Severity

Random = np.random.Generator
Files = dict[str, bytes]
Change = Callable[[RawData, Random], RawData]
Pixels = Callable[[Images, Random], Images]


@dataclass(frozen=True)
class Corruption:
    """A corruption, and the expectation, of that severity, that catches it."""

    name: str
    expectation: str
    severity: Severity
    corrupt: Callable[[RawData, Random], Files]


def files_of(data: RawData) -> Files:
    """Give the four files of a data set."""
    arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
    return {name: idx.encode(array) for name, array in zip(raw.FILES, arrays, strict=True)}


def part(array: Images, share: float, random: Random) -> npt.NDArray[np.int64]:
    """Draw the places of a share of an array, at least two."""
    return random.choice(len(array), max(2, round(share * len(array))), replace=False)


def _file(change: Callable[[bytes, Random], bytes], name: str = raw.TRAIN_IMAGES) -> Callable[[RawData, Random], Files]:
    def corrupt(data: RawData, random: Random) -> Files:
        files = files_of(data)
        return {**files, name: change(files[name], random)}

    return corrupt


def _data(change: Change) -> Callable[[RawData, Random], Files]:
    return lambda data, random: files_of(change(data, random))


def _pixels(change: Pixels) -> Callable[[RawData, Random], Files]:
    """Corrupt the images of both splits."""
    return _data(
        lambda data, random: replace(
            data,
            train_images=np.ascontiguousarray(change(data.train_images, random)),
            test_images=np.ascontiguousarray(change(data.test_images, random)),
        )
    )


def _labels(change: Callable[[Images, Random], Images]) -> Callable[[RawData, Random], Files]:
    """Corrupt the labels of the training split."""
    return _data(lambda data, random: replace(data, train_labels=change(data.train_labels, random)))


def _swap_magic(content: bytes, _: Random) -> bytes:
    return content[3::-1] + content[4:]


def _swap_sizes(content: bytes, _: Random) -> bytes:
    sizes = np.frombuffer(content, ">u4", count=3, offset=4).astype("<u4")
    return content[:4] + sizes.tobytes() + content[16:]


def _shuffle_some(labels: Images, random: Random) -> Images:
    places, shuffled = part(labels, 0.02, random), labels.copy()
    shuffled[places] = random.permutation(labels[places])
    return shuffled


def _one_label_of_ten(labels: Images, random: Random) -> Images:
    changed = labels.copy()
    changed[random.integers(len(labels))] = 10
    return changed


def _blank_some(images: Images, random: Random) -> Images:
    changed = images.copy()
    changed[part(images, 0.005, random)] = 0
    return changed


def _without_a_class(data: RawData, random: Random) -> RawData:
    kept = data.train_labels != random.integers(10)
    return replace(data, train_images=data.train_images[kept], train_labels=data.train_labels[kept])


def _shift_by(pixels: int) -> Pixels:
    """Read so many bytes of a header as pixels: the images of a file are one stream."""
    return lambda images, _: np.roll(images.reshape(-1), pixels).reshape(images.shape)


def _duplicate(data: RawData, random: Random) -> RawData:
    """Repeat 1,000 images, or as many in ten as the split allows, in the place of others."""
    count = min(1000, len(data.train_images) // 10)
    places = random.permutation(len(data.train_images))
    images, labels = data.train_images.copy(), data.train_labels.copy()
    images[places[:count]], labels[places[:count]] = images[places[count : 2 * count]], labels[places[count : 2 * count]]
    return replace(data, train_images=images, train_labels=labels)


def _leak(data: RawData, random: Random) -> RawData:
    place, leaked = random.integers(len(data.train_images)), random.integers(len(data.test_images))
    images, labels = data.train_images.copy(), data.train_labels.copy()
    images[place], labels[place] = data.test_images[leaked], data.test_labels[leaked]
    return replace(data, train_images=images, train_labels=labels)


def _contradict(data: RawData, random: Random) -> RawData:
    place, other = random.choice(len(data.train_images), 2, replace=False)
    images, labels = data.train_images.copy(), data.train_labels.copy()
    images[other], labels[other] = images[place], (labels[place] + 1) % 10
    return replace(data, train_images=images, train_labels=labels)


def _add_noise(images: Images, random: Random) -> Images:
    noise = random.normal(0, 40, images.shape).astype(np.float32)
    noisy: Images = np.clip(images + noise, 0, 255).astype(np.uint8)
    return noisy


def _blur(images: Images, _: Random) -> Images:
    return np.stack([cv2.GaussianBlur(image, (0, 0), 1) for image in images]).astype(np.uint8)


def _halve(images: Images, _: Random) -> Images:
    size = images.shape[1]
    halves = (cv2.resize(image, (size // 2, size // 2), interpolation=cv2.INTER_AREA) for image in images)
    return np.stack([cv2.resize(half, (size, size), interpolation=cv2.INTER_NEAREST) for half in halves]).astype(np.uint8)


def _fill_with_noise(images: Images, random: Random) -> Images:
    return random.integers(0, 256, images.shape, dtype=np.uint8)


CORRUPTIONS = (
    Corruption("wrong magic number", "file_is_idx", CRITICAL, _file(lambda content, _: b"\x89PNG" + content[4:])),
    Corruption("sizes in little-endian", "file_is_whole", CRITICAL, _file(_swap_sizes)),
    Corruption("magic number in little-endian", "file_is_idx", CRITICAL, _file(_swap_magic)),
    Corruption(
        "truncated file", "file_is_whole", CRITICAL, _file(lambda content, random: content[: random.integers(16, len(content))])
    ),
    Corruption(
        "one image less than labels",
        "images_and_labels_are_as_many",
        CRITICAL,
        _data(lambda data, _: replace(data, train_images=data.train_images[:-1])),
    ),
    Corruption(
        "labels shuffled", "most_labels_fit_their_images", CRITICAL, _labels(lambda labels, random: random.permutation(labels))
    ),
    Corruption("2 % of labels shuffled", "labels_fit_their_images", WARNING, _labels(_shuffle_some)),
    Corruption("a label 10", "label_is_a_digit", CRITICAL, _labels(_one_label_of_ten)),
    Corruption(
        "labels off by one",
        "most_labels_fit_their_images",
        CRITICAL,
        _labels(lambda labels, _: (labels + 1) % np.uint8(10)),
    ),
    Corruption("all images blank", "few_images_are_blank", CRITICAL, _pixels(lambda images, _: np.zeros_like(images))),
    Corruption("0.5 % of images blank", "few_images_are_blank", CRITICAL, _pixels(_blank_some)),
    Corruption("a class missing", "every_digit_is_common", CRITICAL, _data(_without_a_class)),
    Corruption("inverted", "few_images_are_inverted", CRITICAL, _pixels(lambda images, _: 255 - images)),
    Corruption("scaled to 0 to 1", "pixels_go_up_to_full_ink", CRITICAL, _pixels(lambda images, _: images // np.uint8(255))),
    Corruption("mirrored", "images_are_upright", CRITICAL, _pixels(lambda images, _: images[:, :, ::-1])),
    Corruption("transposed", "images_are_upright", CRITICAL, _pixels(lambda images, _: images.transpose(0, 2, 1))),
    Corruption("rotated by 90°", "images_are_upright", CRITICAL, _pixels(lambda images, _: np.rot90(images, 1, (1, 2)))),
    Corruption("rotated by 180°", "images_are_upright", CRITICAL, _pixels(lambda images, _: np.rot90(images, 2, (1, 2)))),
    Corruption("shifted by a row", "few_images_are_off_centre", CRITICAL, _pixels(_shift_by(28))),
    Corruption("a header of 16 bytes read as pixels", "few_images_are_off_centre", CRITICAL, _pixels(_shift_by(16))),
    Corruption("1,000 duplicates", "no_image_is_a_copy", WARNING, _data(_duplicate)),
    Corruption("a test image in the training set", "no_test_image_is_in_training", CRITICAL, _data(_leak)),
    Corruption("an image under two labels", "no_image_has_two_labels", CRITICAL, _data(_contradict)),
    Corruption("noise added", "no_feature_is_far_off", CRITICAL, _pixels(_add_noise)),
    Corruption("noise instead of images", "few_images_are_unlike_a_digit", CRITICAL, _pixels(_fill_with_noise)),
    Corruption("blurred", "no_feature_is_far_off", CRITICAL, _pixels(_blur)),
    Corruption("half resolution", "no_feature_is_far_off", CRITICAL, _pixels(_halve)),
)
