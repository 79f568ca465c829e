"""Moving MNIST: clips of two digits that bounce (http://www.cs.toronto.edu/~nitish/unsupervised_video/)."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ._formats import read_npy
from ._published import PublishedDataset, Resource
from .dataset import call_transform

__all__ = ["MovingMNIST"]

_FRAMES = 20


class MovingMNIST(PublishedDataset):
    """10,000 clips of two moving digits, 20 frames each, greyscale 64x64 (Srivastava et al. 2015).

    `dataset[index]` is a clip without a target: uint8 `[time, 64, 64, 1]`.

    Args:
        root: the folder that holds `MovingMNIST/mnist_test_seq.npy`.
        split: "train", the first frames of each clip; "test", the others; None, all.
        split_ratio: the number of frames of "train", 1 to 19.
        download: whether to fetch the file if it is missing or damaged.
        transform: called on every clip.

    Attributes:
        data: the clips, uint8 `[N, time, 64, 64, 1]`; torchvision has the channel before height and width.
    """

    _folder_name: ClassVar = "MovingMNIST"
    _URL: ClassVar = "http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy"
    _MD5: ClassVar = "be083ec986bfe91a449d63653c411eb2"

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str | None = None,
        split_ratio: int = 10,
        download: bool = False,
        transform: Callable[..., Any] | None = None,
    ):
        self.split = None if split is None else self._choice("split", split, ("train", "test"))
        if split_ratio not in range(1, _FRAMES):
            raise ValueError(f"split_ratio={split_ratio!r} is no number of frames from 1 to {_FRAMES - 1}")
        self.split_ratio = split_ratio
        super().__init__(root, transform=transform, download=download)
        frames = read_npy(path := self._path("mnist_test_seq.npy"))
        if frames.dtype != np.uint8 or frames.ndim != 4 or len(frames) != _FRAMES:
            raise ValueError(f"{path} holds {frames.dtype} {frames.shape}, expected uint8 ({_FRAMES}, N, 64, 64)")
        parts = {"train": slice(split_ratio), "test": slice(split_ratio, None), None: slice(None)}
        self.data = np.ascontiguousarray(frames[parts[split]].swapaxes(0, 1))[..., np.newaxis]

    def __len__(self) -> int:
        return len(self.data)

    def read(self, index: int) -> Any:
        """The clip in a tuple."""
        return (self.data[index],)

    def _resources(self) -> Sequence[Resource]:
        return [Resource("mnist_test_seq.npy", [self._URL], md5=self._MD5)]

    def _transformed(self, clip: Any, *, key: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return clip if self.transform is None else call_transform(self.transform, clip, key=key)
