"""EMNIST: handwritten digits and letters in MNIST's format."""

import os
import string
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ._published import Resource
from .mnist import MNIST

__all__ = ["EMNIST"]

# The classes of "bymerge" and "balanced": a small letter that looks like its capital counts as the capital.
_MERGED = sorted(set(string.digits + string.ascii_letters) - set("cijklmopsuvwxyz"))


class EMNIST(MNIST):
    """814,255 handwritten digits and letters in six splits (Cohen et al. 2017, https://arxiv.org/abs/1702.05373).

    The published images are transposed: their rows are the columns of the picture. They are not transposed back, as in
    torchvision. The labels of `letters` start at 1, and its class 0 is called "N/A".

    Args:
        root: the folder that holds `EMNIST/raw/emnist-balanced-train-images-idx3-ubyte` and so on.
        split: "byclass" (62 classes), "bymerge" and "balanced" (47), "letters" (26), "digits" or "mnist" (10).
        train: the images for training, else those for testing.
        transform: called on every image.
        target_transform: called on every label.
        download: whether to fetch all splits into `root/EMNIST/raw` (0.5 GB, 1.8 GB unpacked) if this one is missing.

    The attributes and errors are those of `MNIST`.
    """

    url: ClassVar = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5: ClassVar = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits: ClassVar = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar = {
        "byclass": sorted(string.digits + string.ascii_letters),
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        self.split = self._choice("split", split, self.splits)
        self.classes = self.classes_split_dict[split]
        super().__init__(root, train, transform, target_transform, download)

    def _resources(self) -> Sequence[Resource]:
        split = dict.fromkeys(self._files())
        return [Resource("gzip.zip", [self.url], md5=self.md5, contents=split, inner="gzip/*.gz")]

    def _files(self) -> tuple[str, str]:
        prefix = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
