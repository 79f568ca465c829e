"""HD1K, optical flow of driving scenes (Kondermann et al. 2016, http://hci-benchmark.iwr.uni-heidelberg.de)."""

import glob
import itertools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._flow import FlowDataset, read_flow_png
from ._matching import choice
from .folder import default_loader

__all__ = ["HD1K"]

_SEQUENCES = 36


class HD1K(FlowDataset):
    """1,083 frames of 36 sequences from a car, with optical flow.

    `dataset[index]` is (image, image, flow, mask), the flow float32 `[height, width, 2]`, the mask bool
    `[height, width]`, or both None for testing; see `FlowDataset`.

    Args:
        root: the folder that holds `hd1k/hd1k_input`, `hd1k/hd1k_flow_gt` and `hd1k/hd1k_challenge`.
        split: "train" or "test".
        transforms: called as `transforms(image1, image2, flow, mask)`.
        loader: called on the path of an image.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    has_mask = True

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transforms: Callable[..., Any] | None = None,
        loader: Callable[[str], Any] = default_loader,
    ):
        super().__init__(root, transforms, loader)
        choice("split", split, ("train", "test"))
        folder = os.path.join(self.root, "hd1k")

        def found(pattern: str) -> list[str]:
            return [os.path.join(folder, name) for name in sorted(glob.glob(pattern, root_dir=folder))]

        if split == "test":
            images = "hd1k_challenge/image_2/*1{}.png"
            self.images = list(zip(found(images.format(0)), found(images.format(1))))
        for number in range(_SEQUENCES if split == "train" else 0):
            flows = found(f"hd1k_flow_gt/flow_occ/{number:06d}_*.png")
            images = found(f"hd1k_input/image_2/{number:06d}_*.png")
            if len(images) != len(flows):
                raise ValueError(f"{folder} holds {len(images)} images and {len(flows)} flows of sequence {number}")
            self.images += itertools.pairwise(images)
            self.flows += flows[:-1]
        if not self.images:
            raise FileNotFoundError(f"HD1K needs its images of the split {split!r} in {folder}")

    def read_flow(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        """The flow and the mask in a 16-bit PNG file."""
        return read_flow_png(path)
