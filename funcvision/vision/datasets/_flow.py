"""What data sets of optical flow have in common."""

import os
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ...data import ConcatDataset
from ..io import decode_png
from ..transforms import Transform
from .dataset import VisionDataset, call_transform
from .folder import default_loader

__all__ = ["FlowDataset", "read_flow_png"]


class FlowDataset(VisionDataset):
    """Pairs of images and how each pixel of the first moves to the second; the base class of such data sets.

    `dataset[index]` is (first image, second image, flow). Data sets that say which pixels are valid add a fourth, the
    mask. So does every data set whose `transforms` return one.

    - The images are what the loader returns, by default `PIL.Image` of mode RGB.
    - The flow is float32 `[height, width, 2]`, in pixels: to the right, downwards. Torchvision's has the components
      first. It is None where the split has none.
    - The mask is bool `[height, width]`, or None where the split has none.

    A subclass fills `images` and `flows` and defines `read_flow`.

    Args:
        root: the folder for data sets.
        transforms: called as `transforms(image1, image2, flow, mask)`, returns the four. A funcvision `Transform` gets
            them as one tuple.
        loader: called on the path of an image.

    Attributes:
        images: the paths of the two images of each sample.
        flows: the path of the flow of each sample; empty if the split has none.
    """

    has_mask: ClassVar[bool] = False
    """Whether the files say which pixels of the flow are valid."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        transforms: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transforms)
        self.images: list[tuple[str, str]] = []
        self.flows: list[str] = []
        self._loader = loader

    def __len__(self) -> int:
        return len(self.images)

    def __rmul__(self, times: int) -> ConcatDataset:
        return ConcatDataset([self] * times)

    def read(self, index: int) -> tuple[Any, Any, np.ndarray | None, np.ndarray | None]:  # pyright: ignore
        """The two images, the flow and the mask."""
        first, second = self.images[index]
        flow, mask = self.read_flow(self.flows[index]) if self.flows else (None, None)
        return self._loader(first), self._loader(second), flow, mask

    def read_flow(self, path: str) -> tuple[np.ndarray, np.ndarray | None]:
        """The flow in a file, and its mask if the data set has one."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to read a flow: define read_flow")

    def _transformed(self, *sample: Any, key: Any = None) -> tuple[Any, ...]:
        if isinstance(self.transforms, Transform):
            sample = self.transforms(sample, key=key)
        elif self.transforms is not None:
            sample = call_transform(self.transforms, *sample, key=key)
        first, second, flow, mask = sample
        return (first, second, flow, mask) if self.has_mask or mask is not None else (first, second, flow)


def read_flow_png(path: str) -> tuple[np.ndarray, np.ndarray]:
    """The flow in a 16-bit PNG file and which pixels are valid, as KITTI defines them.

    The first two channels are the flow, times 64, plus 32768; the third is 0 where the flow is not known.
    """
    samples = decode_png(path)
    if samples.dtype != np.uint16 or samples.shape[2:] != (3,):
        raise ValueError(f"{path} holds {samples.dtype} {samples.shape}, expected a flow: uint16 [height, width, 3]")
    return (samples[:, :, :2].astype(np.float32) - 2**15) / 64, samples[:, :, 2] != 0
