"""How images become the input of a model: what workers do on the host, and what is compiled into the step."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from ..data import DataLoader, RandomSampler
from ..vision import models, transforms
from ..vision.transforms import functional as F
from ..vision.transforms.presets import IMAGENET_MEAN, IMAGENET_STD, ImageClassification
from .data_spec import Data, SkipUnreadable
from .options import OptionError, Options

__all__ = [
    "AlternatingFlips", "Mirrored", "Preparation", "RepeatedSampler", "augmentation", "image_sizes", "prepared_for",
    "evaluation_loader", "train_loader",
]

STATISTICS_IMAGES = 10_000
"""Images of which the mean and the standard deviation are computed."""


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How test images are prepared.

    Attributes:
        mean: of each channel, of images scaled to [0, 1].
        std: standard deviation of each channel.
        resize_size: the shorter side before the crop, in pixels.
        crop_size: height and width after the crop, in pixels.
        interpolation: of resizing.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize_size: int
    crop_size: int
    interpolation: str

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return len(self.mean)

    def normalize(self) -> transforms.Compose:
        """Scales uint8 images to [0, 1] and normalises them."""
        return transforms.Compose([
            transforms.ToDtype(jnp.float32, scale=True), transforms.Normalize(list(self.mean), list(self.std))
        ])

    def preset(self) -> ImageClassification:
        """Prepares one image for a predictor."""
        return ImageClassification(
            crop_size=self.crop_size, resize_size=self.resize_size, mean=self.mean, std=self.std,
            interpolation=self.interpolation,
        )


def prepared_for(options: Options, data: Data) -> Preparation:
    """The preparation for a data set: published for the initial weights, or of the training images, or ImageNet's."""
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    resize, crop = options.val_resize_size, options.val_crop_size
    published = None
    if options.weights != "none" and options.model in models.list_models():
        published = models.find_weights(options.model, options.weights) or models.find_weights(options.model, "DEFAULT")
    if published is not None:
        mean, std = published.preset_options["mean"], published.preset_options["std"]
    elif data.shape is not None:
        images = np.stack([data.train[i][0] for i in _spread(len(data.train))]).astype(np.float32) / 255
        mean, std = images.mean((0, 1, 2)).tolist(), np.maximum(images.std((0, 1, 2)), 1e-3).tolist()
    if data.shape is not None:
        resize = crop = data.shape[0]
    return Preparation(tuple(mean), tuple(std), resize, crop, options.interpolation)


def _spread(length: int) -> Iterator[int]:
    """Numbers of samples that are spread evenly over a data set."""
    yield from np.linspace(0, length - 1, min(length, STATISTICS_IMAGES)).astype(int).tolist()


def augmentation(options: Options, shape: tuple[int, int, int] | None, preparation: Preparation) -> transforms.Compose:
    """What the step does to each image: random crop and flip of arrays, then scaling and normalisation."""
    moves: list[Any] = []
    if shape is not None and options.random_crop_padding:
        moves.append(_shift(options, shape[:2]))
    if shape is not None:
        moves += _random_flip(options)
    return transforms.Compose([*moves, preparation.normalize()])


def _shift(options: Options, size: int | tuple[int, int]) -> transforms.RandomCrop:
    """The random crop of a padded image."""
    return transforms.RandomCrop(
        size, padding=options.random_crop_padding, padding_mode=options.random_crop_padding_mode
    )


def _random_flip(options: Options) -> list[Any]:
    """The flip, unless the sampler decides which images are mirrored."""
    random = options.hflip > 0 and not options.hflip_alternating
    return [transforms.RandomHorizontalFlip(options.hflip)] if random else []


class TrainTransform:
    """What the workers do to each training image. `size` may change between epochs.

    Args:
        options: of the run.
        fixed: images are arrays of one size, so that crop and flip are done in the step.
        size: height and width of the result, in pixels.
    """

    def __init__(self, options: Options, fixed: bool, size: int):
        self.options, self.fixed, self.size = options, fixed, size

    @property
    def size(self) -> int:
        """Height and width of the images of this epoch, in pixels."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size
        options, steps = self.options, []
        if not self.fixed:
            if options.random_crop_padding is not None:
                steps += [
                    transforms.Resize(size, interpolation=options.interpolation), transforms.CenterCrop(size),
                    _shift(options, size),
                ]
            else:
                steps.append(transforms.RandomResizedCrop(size, interpolation=options.interpolation))
            steps += _random_flip(options)
        steps += _policy(options)
        self._steps = transforms.Compose([*steps, transforms.ToImage()])

    def __call__(self, sample: Any, *, key: Any) -> Any:
        """(image, label) with the image transformed."""
        image, label = sample
        return self._steps(image, key=key), label


def _policy(options: Options) -> list[Any]:
    """The automatic augmentation that the options name."""
    name, interpolation = options.auto_augment, options.interpolation
    if name is None:
        return []
    if name == "ra":
        return [transforms.RandAugment(magnitude=options.ra_magnitude, interpolation=interpolation)]
    if name == "ta_wide":
        return [transforms.TrivialAugmentWide(interpolation=interpolation)]
    if name == "augmix":
        return [transforms.AugMix(severity=options.augmix_severity, interpolation=interpolation)]
    return [transforms.AutoAugment(name, interpolation=interpolation)]


class RepeatedSampler:
    """Repeated augmentation: each image of an epoch comes `reps` times in a row (https://arxiv.org/abs/1902.05509).

    An epoch keeps its length, so it has fewer different images. As in torchvision, repetitions are spread over the
    processes, since each takes a part of a batch.

    Args:
        length: of the data set.
        reps: how often an image comes.
        seed: decides the order.
    """

    def __init__(self, length: int, reps: int, seed: int):
        self._length, self._reps, self._seed = length, reps, seed

    def __len__(self) -> int:
        return self._length

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers of the samples of an epoch."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._length)
        return np.repeat(order[: -(-self._length // self._reps)], self._reps)[: self._length]


class Mirrored:
    """The samples of a data set, and after them the same samples with mirrored images.

    Args:
        dataset: pairs (image, label); an image is a PIL image or an array [height, width, channels].
    """

    def __init__(self, dataset: Any):
        self.dataset = dataset

    def __len__(self) -> int:
        return 2 * len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        mirrored, number = divmod(int(index), len(self.dataset))
        image, label = self.dataset[number]
        return F.horizontal_flip(image) if mirrored else image, label

    @property
    def load_batch(self) -> Any:
        """Gathers a batch of arrays. Raises AttributeError if the data set has no `load_batch`."""
        gather = self.dataset.load_batch

        def load(indices: np.ndarray) -> Any:
            mirrored, numbers = np.divmod(indices, len(self.dataset))
            images, labels = gather(numbers)
            return np.where(mirrored[:, None, None, None] > 0, images[:, :, ::-1], images), labels

        return load


class AlternatingFlips:
    """The order of `Mirrored`: in every epoch each image once, mirrored if it was not in the epoch before.

    A random half of the images is mirrored in the first epoch. So two epochs show all images and all mirror images,
    where random flips show half of the images twice alike (Jordan 2024, https://arxiv.org/abs/2404.00498, section 3).

    Args:
        length: of the data set without mirror images.
        seed: decides the order, and which images are mirrored first.
    """

    def __init__(self, length: int, seed: int):
        self._order = RandomSampler(range(length), seed=seed)
        self._first = np.random.default_rng(seed).integers(0, 2, length)

    def __len__(self) -> int:
        return len(self._first)

    def __call__(self, epoch: int) -> np.ndarray:
        """The numbers of the samples of an epoch."""
        order = self._order(epoch)
        return order + len(self) * ((self._first[order] + epoch) % 2)


class ScheduledLoader(DataLoader):
    """A loader whose images have another size in some epochs.

    Args:
        *args: as for `DataLoader`.
        sizes: the size of images from an epoch on.
        **options: as for `DataLoader`.
    """

    def __init__(self, *args: Any, sizes: dict[int, int], **options: Any):
        super().__init__(*args, **options)
        self._sizes = sizes

    def __iter__(self) -> Iterator[Any]:
        # An epoch that was left before its end is followed by the next one.
        epoch = self.epoch
        self.transform.size = self._sizes[max(first for first in self._sizes if first <= epoch)]  # pyright: ignore
        return super().__iter__()


def image_sizes(options: Options) -> dict[int, int]:
    """The size of training images from an epoch on.

    Raises:
        OptionError: the schedule cannot be read.
    """
    text = options.image_size_schedule or f"0:{options.train_crop_size}"
    try:
        sizes = {int(epoch): int(size) for epoch, size in (part.split(":") for part in text.split(","))}
    except ValueError as error:
        raise OptionError(f"image-size-schedule={text!r} must be EPOCH:PIXELS,EPOCH:PIXELS, as 0:128,6:192") from error
    if 0 not in sizes or min(sizes.values()) < 1:
        raise OptionError(f"image-size-schedule={text!r} must begin with epoch 0 and have sizes of 1 pixel or more")
    return sizes


def train_loader(options: Options, data: Data, *, processes: int = 1) -> DataLoader:
    """The loader of training batches.

    Args:
        options: of the run.
        data: the data set.
        processes: how many processes share a batch.

    Raises:
        OptionError: the batch does not divide over the processes, or is larger than the training set.
    """
    if options.batch_size % processes:
        raise OptionError(f"batch-size={options.batch_size} must divide evenly over {processes} processes")
    if options.batch_size > len(data.train):
        raise OptionError(f"batch-size={options.batch_size} is more than the {len(data.train)} training images")
    fixed, sizes = data.shape is not None, image_sizes(options)
    if fixed and options.image_size_schedule:
        raise OptionError("image-size-schedule is for images that workers resize: pass in-memory=false")
    if options.on_unreadable == "skip" and options.worker_kind == "processes":
        raise OptionError("on-unreadable=skip counts what it skips in this process: pass worker-kind=threads")
    dataset, sampler = data.train, None
    if options.on_unreadable == "skip" and not fixed:
        dataset = SkipUnreadable(dataset)
    if options.ra_sampler:
        sampler = RepeatedSampler(len(dataset), options.ra_reps, options.seed)
    if options.hflip_alternating:
        if options.ra_sampler or isinstance(dataset, SkipUnreadable):
            other = "ra-sampler=true" if options.ra_sampler else "on-unreadable=skip without in-memory=true"
            raise OptionError(f"hflip-alternating=true needs each image once in an epoch: {other} excludes it")
        dataset, sampler = Mirrored(dataset), AlternatingFlips(len(dataset), options.seed)
    transform = None
    if not fixed or options.auto_augment:
        transform = TrainTransform(options, fixed, sizes[0])
    shared: dict[str, Any] = {
        "shuffle": sampler is None, "sampler": sampler, "seed": options.seed, "drop_last": True,
        "num_workers": options.workers, "workers": options.worker_kind, "transform": transform,
    }
    if len(sizes) == 1:
        return DataLoader(dataset, options.batch_size // processes, **shared)
    return ScheduledLoader(dataset, options.batch_size // processes, sizes=sizes, **shared)


def evaluation_loader(
    data: Data, preparation: Preparation, batch_size: int, *, workers: int = 2,
    kind: Literal["threads", "processes"] = "threads", skip_unreadable: bool = False,
) -> DataLoader:
    """The loader of test batches of uint8 images.

    Args:
        data: the data set.
        preparation: of its images.
        batch_size: images in a batch of this process.
        workers: threads or processes that load.
        kind: which of the two.
        skip_unreadable: take the next image in place of an unreadable one.
    """
    transform = None
    if data.shape is None:
        resize = transforms.Resize(preparation.resize_size, interpolation=preparation.interpolation)
        transform = transforms.Compose([resize, transforms.CenterCrop(preparation.crop_size), transforms.ToImage()])
    dataset = SkipUnreadable(data.test) if skip_unreadable else data.test
    return DataLoader(dataset, batch_size, num_workers=workers, workers=kind, transform=transform)
