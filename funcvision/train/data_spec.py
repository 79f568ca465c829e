"""Data sets of a run by a short text, such as `cifar10:ROOT`: training set, test set and the names of the classes."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image

from ..data import ArrayDataset, DataLoader, Subset
from ..vision import datasets, transforms

__all__ = ["Data", "SkipUnreadable", "in_memory", "open_data"]

TEST_SPLITS = ("val", "valid", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Data:
    """What to learn.

    Attributes:
        train: a data set of pairs (image, label). An image is a PIL image, or an array uint8 [height, width, channels].
        test: another one, of the same form.
        classes: the name of each label.
        shape: (height, width, channels) if all images are arrays of this shape; None for PIL images.
        unreadable: how many images others stand in for, where images were decoded in advance.
    """

    train: Any
    test: Any
    classes: tuple[str, ...]
    shape: tuple[int, int, int] | None = None
    unreadable: int = 0


def open_data(spec: str, *, download: bool = False, seed: int = 0) -> Data:
    """The data set of a text.

    Args:
        spec: `digits`; `mnist:ROOT`, `cifar10:ROOT`, `imagenet:ROOT` or any `NAME:ROOT` of
            `datasets.list_datasets("classification")`; or `folder:ROOT`. A folder has `train/` and `val/` or `test/`,
            each with a folder of images for each class; or only folders of classes, of which a fifth of the images is
            the test set.
        download: fetch what is missing, where a program can.
        seed: decides which images of an undivided folder are the test set.

    Raises:
        ValueError: there is no such data set, or the text lacks its folder.
        FileNotFoundError: a file is missing.
    """
    name, colon, root = spec.partition(":")
    if name == "digits":
        return _digits()
    if name == "fakedata":
        return _published(name, None, download)
    if not colon or not root:
        raise ValueError(f"data={spec!r} lacks the folder of the data set: write {name}:ROOT, or digits")
    if name == "folder":
        return _folder(pathlib.Path(root), seed)
    return _published(name, root, download)


def _digits() -> Data:
    """The 1,797 digits of 8x8 pixels in scikit-learn; a fifth of them is the test set."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError('data=digits needs scikit-learn: pip install "funcvision[examples]"') from error
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[: len(order) // 5], order[len(order) // 5 :]
    parts = (ArrayDataset((images[part], labels[part].astype(np.int32))) for part in (train, test))
    return Data(next(parts), next(parts), tuple(str(digit) for digit in range(10)), (8, 8, 1))


def _folder(root: pathlib.Path, seed: int) -> Data:
    if not root.is_dir():
        raise FileNotFoundError(f"data=folder:{root}: there is no such folder")
    if (root / "train").is_dir():
        other = next((part for part in TEST_SPLITS if (root / part).is_dir()), None)
        if other is None:
            raise FileNotFoundError(f"{root} has train/ and neither val/ nor test/")
        train, test = (datasets.ImageFolder(root / part, exif=True) for part in ("train", other))
        if train.classes != test.classes:
            only = sorted({*train.classes} ^ {*test.classes})
            raise ValueError(f"{root}: train/ and {other}/ need the same classes; only one of them has "
                             f"{', '.join(only[:5])}{', ...' * (len(only) > 5)}")
        return Data(train, test, tuple(train.classes))
    whole = datasets.ImageFolder(root, exif=True)
    order = np.random.default_rng(seed).permutation(len(whole))
    count = max(1, len(whole) // 5)
    return Data(Subset(whole, order[count:]), Subset(whole, order[:count]), tuple(whole.classes))


def _published(name: str, root: str | None, download: bool) -> Data:
    info = datasets.describe(name)
    if info.task != "classification":
        raise ValueError(f"data={name} is for {info.task}, and the recipes train classifiers")
    if name == "fakedata":  # random images, for trials of the machinery
        train = test = datasets.load(name, size=64, image_size=(3, 32, 32), num_classes=10)
        return Data(train, test, tuple(str(number) for number in range(10)))
    other = next((split for split in TEST_SPLITS if split in info.splits), None)
    if "train" not in info.splits or other is None:
        raise ValueError(f"{name} has the splits {list(info.splits)}, and a run needs train, and val or test: sort its "
                         f"images into folders and use folder:ROOT")
    train, test = (datasets.load(name, root, split, download=download) for split in ("train", other))
    return Data(train, test, tuple(str(one) for one in train.categories))


def in_memory(
    data: Data, *, resize: int, crop: int, interpolation: str = "bilinear", workers: int = 2,
    skip_unreadable: bool = False,
) -> Data:
    """The same data set with all images decoded, resized and cropped into one array for each part.

    Args:
        data: a data set of PIL images; one of arrays is returned as it is.
        resize: the shorter side after resizing, in pixels. Images that have this size already are not changed.
        crop: height and width after the crop of the middle, in pixels.
        interpolation: of resizing.
        workers: threads that decode.
        skip_unreadable: take the next image in place of one that cannot be read, and count them.
    """
    if data.shape is not None:
        return data
    prepare = transforms.Compose([
        transforms.Resize(resize, interpolation=interpolation), transforms.CenterCrop(crop), transforms.ToImage(),
    ])
    parts, unreadable = [], 0
    for part in (data.train, data.test):
        part = SkipUnreadable(part) if skip_unreadable else part
        batches = list(DataLoader(part, 500, num_workers=workers, transform=prepare, shard=(0, 1)))
        images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        parts.append(ArrayDataset((images, labels.astype(np.int32))))
        unreadable += len(part.skipped) if isinstance(part, SkipUnreadable) else 0
    height, width, channels = parts[0][0][0].shape
    return Data(parts[0], parts[1], data.classes, (height, width, channels), unreadable)


class SkipUnreadable:
    """A data set in which the next readable sample stands in for one whose image cannot be read.

    Args:
        dataset: the data set.

    Attributes:
        skipped: the numbers of the samples that could not be read so far, in this process.
    """

    def __init__(self, dataset: Sequence[Any]):
        self.dataset, self.skipped = dataset, set()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        for offset in range(len(self)):
            number = (int(index) + offset) % len(self)
            try:
                image, *rest = self.dataset[number]
                if isinstance(image, PIL.Image.Image):
                    image.load()
                return (image, *rest)
            except (OSError, ValueError):  # ValueError is what `vision.io.open_image` raises
                self.skipped.add(number)
        raise OSError("no image of the data set can be read")
