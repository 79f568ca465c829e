"""FlyingChairs (Dosovitskiy et al. 2015, https://lmb.informatik.uni-freiburg.de/resources/datasets/FlyingChairs.en.html)."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ._flow import FlowDataset
from ._formats import read_flo
from ._matching import choice, matching

__all__ = ["FlyingChairs"]

_SPLITS = {"train": "1", "val": "2"}  # as the list of splits numbers them


class FlyingChairs(FlowDataset):
    """22,872 pairs of images of chairs that move in front of photos, with optical flow.

    `dataset[index]` is (image, image, flow), the flow float32 `[height, width, 2]`; see `FlowDataset`.

    Args:
        root: the folder that holds `FlyingChairs/data` and `FlyingChairs/FlyingChairs_train_val.txt`.
        split: "train" or "val".
        transforms: called as `transforms(image1, image2, flow, None)`.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: an option is none of the choices, or a file is damaged; the message names it.
    """

    def __init__(
        self, root: str | os.PathLike[str], split: str = "train", transforms: Callable[..., Any] | None = None
    ):
        super().__init__(root, transforms)
        number = _SPLITS[choice("split", split, _SPLITS)]
        folder = os.path.join(self.root, "FlyingChairs")
        path = os.path.join(folder, "FlyingChairs_train_val.txt")
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"FlyingChairs needs the file {path}: it is a download of its own on "
                f"https://lmb.informatik.uni-freiburg.de/resources/datasets/FlyingChairs.en.html"
            )
        with open(path, encoding="utf-8") as file:
            numbers = file.read().split()
        images, flows = (matching(os.path.join(folder, "data"), pattern) for pattern in ("*.ppm", "*.flo"))
        if not set(numbers) <= set(_SPLITS.values()) or len(images) != 2 * len(flows) or len(numbers) != len(flows):
            raise ValueError(
                f"{path} lists {len(numbers)} samples (each as 1 or 2), and the folder data beside it holds "
                f"{len(flows)} flows and {len(images)} images: something is damaged or missing"
            )
        chosen = [i for i, one in enumerate(numbers) if one == number]
        self.flows = [flows[i] for i in chosen]
        self.images = [(images[2 * i], images[2 * i + 1]) for i in chosen]

    def read_flow(self, path: str) -> tuple[np.ndarray, None]:
        """The flow in a `.flo` file."""
        return read_flo(path), None
