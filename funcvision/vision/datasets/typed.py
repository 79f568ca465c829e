"""Samples of typed leaves, which transforms, the loader and detectors take as they come."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ..transforms import Transform
from ._typed import find_adapter
from .dataset import VisionDataset, call_transform, takes_key

__all__ = ["TypedDataset", "typed", "wrap_dataset_for_transforms_v2"]


_IMAGES = ("image", "image1", "image2")  # what `transform` is called on


class TypedDataset:
    """A data set whose samples are flat dicts of typed leaves; `typed` makes it.

    Attributes of the data set below are attributes here too.

    Args:
        dataset: the data set.
        target_keys: see `typed`.

    Attributes:
        dataset: the data set.
        target_keys: what was given.
    """

    def __init__(self, dataset: VisionDataset, target_keys: Collection[str] | str | None = None):
        if not isinstance(dataset, VisionDataset):
            raise TypeError(f"typed takes a data set of vision.datasets, and got {type(dataset).__name__}")
        found = find_adapter(type(dataset))
        if found is None:
            raise TypeError(f"{type(dataset).__name__} has no typed form: make the typed leaves in a transform")
        self.dataset, self.target_keys = dataset, target_keys
        self._convert, self._wanted = found.convert, found.wanted(target_keys)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._transformed(self.read(index))

    def __getattr__(self, name: str) -> Any:
        # Pickle asks before there is a data set. The other data set's load_sample gives samples that are not typed.
        if name.startswith("__") or name == "load_sample" or "dataset" not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} has no {name}")
        return getattr(self.dataset, name)

    def __repr__(self) -> str:
        return f"Typed {self.dataset!r}"

    def read(self, index: int) -> dict[str, Any]:
        """The sample before any transform."""
        return self._convert(self.dataset, index, self.dataset.read(index), self._wanted)

    @property
    def load_sample(self) -> Callable[..., dict[str, Any]]:
        """A function `(index, *, key)` that gives a sample and draws what is random in its transforms from `key`.

        Raises:
            AttributeError: nothing is random.
        """
        functions = (self.dataset._joint, self.dataset.transform, self.dataset.target_transform)
        if not any(map(takes_key, functions)) and not self._reads_randomly:
            raise AttributeError(f"this {type(self).__name__} has no use for keys")
        return self._load_sample

    @property
    def _reads_randomly(self) -> bool:
        return getattr(self.dataset, "reads_randomly", False)

    def _load_sample(self, index: int, *, key: Any) -> dict[str, Any]:
        if not self._reads_randomly:
            return self._transformed(self.read(index), key=key)
        key = np.random.default_rng(key)  # a Generator stays as it is
        sample = self.dataset.read_random(index, key)  # pyright: ignore[reportAttributeAccessIssue]
        return self._transformed(self._convert(self.dataset, index, sample, self._wanted), key=key)

    def _transformed(self, sample: dict[str, Any], *, key: Any = None) -> Any:
        """The sample after the transforms of the data set."""
        below = self.dataset
        if isinstance(below._joint, Transform):
            return below._joint(sample, key=key)
        if below._joint is not None:
            return call_transform(below._joint, sample, key=key)
        images = {name: leaf for name, leaf in sample.items() if name in _IMAGES}
        if below.transform is not None:
            images = {name: call_transform(below.transform, leaf, key=key) for name, leaf in images.items()}
            sample = {**sample, **images}
        if below.target_transform is not None:
            target = {name: leaf for name, leaf in sample.items() if name not in images}
            sample = {**images, **call_transform(below.target_transform, target, key=key)}
        return sample


def typed(dataset: VisionDataset, target_keys: Collection[str] | str | None = None) -> TypedDataset:
    """A data set whose samples are flat dicts of typed leaves, such as `{"image": ..., "boxes": ..., "labels": ...}`.

    This is torchvision's `wrap_dataset_for_transforms_v2`, and has that name too. Torchvision's returns pairs of an
    image and a dict. The transforms of the data set get the dict: `transforms(sample)`. Its `transform` gets the image
    and `target_transform` the dict of everything else.

    | data set | keys |
    | --- | --- |
    | `CocoDetection` | image, image_id, boxes, labels (the file's `category_id`), masks `[n, height, width]`; keypoints `[n, k, 2]` where the file has them; on request segmentation, area, iscrowd, bbox, category_id |
    | `CocoCaptions`, `Flickr8k`, `Flickr30k` | image, captions |
    | `SBU` | image, caption |
    | `VOCDetection` | image, boxes, labels (1 to 20, in alphabetical order); on request annotation |
    | `Kitti` | image, boxes, labels (in torchvision's order); on request type, truncated, occluded, alpha, bbox, dimensions, location, rotation_y; for testing image only |
    | `WIDERFace` | image, boxes, blur, expression, illumination, occlusion, pose, invalid; on request bbox; for testing image only |
    | `CelebA` | image, and by `target_type` attributes, identity, boxes `[1, 4]`, keypoints `[5, 2]` |
    | `Caltech101` | image, and by `target_type` label, outline `[points, 2]` |
    | `VOCSegmentation`, `SBDataset` | image, masks `[height, width]` of classes; with `mode="boundaries"` image, boundaries `[20, height, width]` |
    | `Cityscapes` | image, and by `target_type` masks `[n, height, width]` with labels, semantic `[height, width]` |
    | `OxfordIIITPet` | image, and by `target_types` label, binary_label, masks `[height, width]` |
    | `INaturalist` | image, and by `target_type` label (of "full"), kingdom, phylum, class, order, family, genus, super |
    | `LFWPairs` | image1, image2, label (1 for the same person) |
    | data sets of flow | image1, image2, flow `[height, width, 2]`, valid `[height, width]`; for testing the images only |
    | data sets of stereo | left, right, disparity `[height, width, 1]`, valid `[height, width]`; for testing the images only |
    | `Kinetics`, `HMDB51`, `UCF101` | video, audio, label |
    | `MovingMNIST` | video |
    | `CIFAR10`, `MNIST`, `ImageFolder` and others with one class for each image | image, label |

    Images are `Image`, videos `Video`; masks, boundaries, semantic and valid are `Mask`; boxes are `BoundingBoxes` in
    the format "XYXY", float32; keypoints and outline are `KeyPoints`. Flow and disparity are plain float32 arrays,
    which transforms leave as they are. `labels` are int64 `[n]`, `label` is what the data set gives. Where an image has
    no objects, the axis of objects has length 0.

    Args:
        dataset: a data set of this package.
        target_keys: which keys of the target to give. None: those of the table that are not "on request". "all": all of
            them. Only the data sets with keys on request have a choice.

    Raises:
        TypeError: the data set has no typed form.
        ValueError: a key is not among those of the data set.
    """  # noqa: E501, rows of a table
    return TypedDataset(dataset, target_keys)


wrap_dataset_for_transforms_v2 = typed
