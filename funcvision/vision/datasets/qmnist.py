"""QMNIST: MNIST's digits with all that is known about them, and the test images that MNIST left out."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from ._published import Resource, compressed_files
from .mnist import MNIST

__all__ = ["QMNIST"]


class QMNIST(MNIST):
    """MNIST rebuilt from NIST's digits, with 60,000 for testing (Yadav and Bottou 2019, https://arxiv.org/abs/1905.10498).

    Args:
        root: the folder that holds `QMNIST/raw/qmnist-train-images-idx3-ubyte` and so on.
        what: "train"; "test" (60,000); "test10k", those of MNIST's own test split; "test50k", the others;
            "nist", all 402,953 digits. None: "train" or "test", as `train` says.
        compat: True: a target is the digit as an int. False: a target is int64 `[8]`, namely the digit, NIST's series,
            the writer, the index among that writer's digits, NIST's class code, the index in NIST's file, whether it
            is a duplicate, and an unused number.
        train: what to read when `what` is None.
        transform: called on every image.
        target_transform: called on every target.
        download: whether to fetch the files of `what` into `root/QMNIST/raw` if they are missing.

    Attributes:
        targets: int64 `[N, 8]`; the other attributes, and the errors, are those of `MNIST`.
    """

    subsets: ClassVar = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    mirrors: ClassVar = ["https://raw.githubusercontent.com/facebookresearch/qmnist/master/"]
    resources: ClassVar = {
        "train": [
            ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            ("xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            ("xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        *,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ):
        default = "train" if train else "test"
        self.what = self._choice("what", default if what is None else what, self.subsets)
        self.compat = compat
        super().__init__(root, train, transform, target_transform, download)

    def extra_repr(self) -> str:
        """The subset."""
        return f"Split: {self.what}"

    def _resources(self) -> Sequence[Resource]:
        return compressed_files(self.mirrors, self.resources[self.subsets[self.what]])

    def _files(self) -> tuple[str, str]:
        (images, _), (labels, _) = self.resources[self.subsets[self.what]]
        return os.path.splitext(images)[0], os.path.splitext(labels)[0]

    def _target(self, index: int) -> Any:
        return int(self.targets[index, 0]) if self.compat else self.targets[index]

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        part = {"test10k": slice(10_000), "test50k": slice(10_000, None)}.get(self.what, slice(None))
        images, targets = super()._load()
        return images[part], targets[part]

    def _checked(self, labels: np.ndarray, path: str) -> np.ndarray:
        if labels.dtype != np.int32 or labels.shape[1:] != (8,):
            raise ValueError(f"{path} holds {labels.dtype} {labels.shape}, expected labels: int32 [N, 8]")
        return self._within_classes(labels, path)
