"""What metrics of detectors have in common: they remember the objects of every image until they are computed."""

import abc
import itertools
import pickle
from collections.abc import Sequence
from typing import Any, Self

import jax
import numpy as np
from jax.experimental import multihost_utils

from ._objects import Objects

__all__ = ["DetectionMetric"]

_Image = tuple[Any, Objects, Objects]  # its id or None, what was found, what is there


class DetectionMetric(abc.ABC):
    """A metric of ranked detections, which needs all images at once.

    It collects on the host: `update` adds images, `merge` and `gather` those of others, `compute` evaluates.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets every image."""
        self._images: list[_Image] = []
        self._ids: set[Any] = set()

    def __len__(self) -> int:
        return len(self._images)

    def update(
        self, predictions: Sequence[Any], targets: Sequence[Any], *, image_ids: Sequence[Any] | None = None,
        valid: Any = None,
    ) -> None:
        """Adds images.

        Args:
            predictions: for each image a dict of arrays, as `models.detection.predict` returns it.
            targets: for each image a dict of arrays, as `models.detection.batch` takes it.
            image_ids: the number or name of each image. With ids, an image that comes again, here or from another
                process, counts once, and detections of equal scores are ranked by the ids of their images. Without
                them, every image is a new one.
            valid: which images count, bool `[images]`; None means all. Padding of a batch is not valid.

        Raises:
            ValueError: numbers of images that differ; an image whose arrays are damaged or do not fit together; images
                with ids among others without.
        """
        count = len(targets)
        flags = np.ones(count, bool) if valid is None else np.asarray(valid, bool)
        ids = [None] * count if image_ids is None else [_plain_id(one) for one in image_ids]
        if len(predictions) != count or len(ids) != count or flags.shape != (count,):
            raise ValueError(
                f"there are {count} targets, {len(predictions)} predictions, {len(ids)} image_ids and `valid` of shape "
                f"{flags.shape}; expected as many of each"
            )
        images = [
            (one, *self._read(prediction, target, f"image {number if one is None else one}"))
            for number, (one, prediction, target, flag) in enumerate(zip(ids, predictions, targets, flags)) if flag
        ]
        self._add(images)

    def merge(self, *others: Self) -> None:
        """Adds the images that other metrics of the same options have seen."""
        for other in others:
            self._add(other._images)

    def gather(self) -> None:
        """Adds the images that all other processes have seen; with one process, nothing. Every process must call it.

        Afterwards `compute` gives the same on all processes.
        """
        if jax.process_count() == 1:
            return
        # The bytes come from processes of this same program, so that unpickling them runs nothing foreign.
        parts = [pickle.loads(data) for data in _gathered(pickle.dumps(self._images))]
        self.reset()
        self._add(itertools.chain.from_iterable(parts))

    @abc.abstractmethod
    def compute(self) -> dict[str, Any]:
        """The metrics of all images, by name."""

    @abc.abstractmethod
    def _read(self, prediction: Any, target: Any, what: str) -> tuple[Objects, Objects]:
        """What was found in an image and what is there, in the form that `compute` needs."""

    def _add(self, images: Any) -> None:
        new: list[_Image] = []
        for image in images:
            if image[0] is None or image[0] not in self._ids:
                new.append(image)
                self._ids.add(image[0])
        if None in self._ids and len(self._ids) > 1:
            self._ids = {image[0] for image in self._images}
            raise ValueError("some images have ids and others have none: pass image_ids to every update, or to none")
        self._images += new

    def _ordered(self) -> list[_Image]:
        """The images, sorted by their ids if they have any."""
        if None in self._ids:
            return self._images
        return sorted(self._images, key=lambda image: (isinstance(image[0], str), image[0]))


def _plain_id(given: Any) -> int | str:
    """The id of an image as a plain value, also from an array of one number."""
    value = np.asarray(given).item() if np.size(given) == 1 else given
    if not isinstance(value, int | str):
        raise ValueError(f"the id of an image is an integer or a string; got {given!r}")
    return value


def _gathered(data: bytes) -> list[bytes]:
    """The bytes of every process, in the order of the processes."""
    lengths = multihost_utils.process_allgather(np.array([len(data)], np.int32)).reshape(-1)
    padded = np.zeros(int(lengths.max()), np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    rows = multihost_utils.process_allgather(padded).reshape(len(lengths), -1)
    return [row[:length].tobytes() for row, length in zip(rows, lengths.tolist(), strict=True)]
