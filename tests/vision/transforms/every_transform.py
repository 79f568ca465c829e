"""One of every transform, with options under which its result has a fixed size, and samples for it."""

import jax
import jax.numpy as jnp
import numpy as np

from funcvision.vision import transforms as T
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask

SIZE = (24, 32)
CANVAS = (20, 28)

GEOMETRIC = {
    "Resize": T.Resize((18, 40)),
    "CenterCrop": T.CenterCrop((20, 26)),
    "CenterCrop larger": T.CenterCrop((30, 41)),
    "Pad": T.Pad((3, 1, 4, 2)),
    "RandomCrop": T.RandomCrop(18, padding=3),
    "RandomResizedCrop": T.RandomResizedCrop((16, 16), scale=(0.4, 1.0)),
    "RandomHorizontalFlip": T.RandomHorizontalFlip(),
    "RandomVerticalFlip": T.RandomVerticalFlip(),
    "RandomRotation": T.RandomRotation(20.0),
    "RandomAffine": T.RandomAffine(10.0, translate=(0.1, 0.1), scale=(0.8, 1.1), shear=5.0),
    "RandomPerspective": T.RandomPerspective(0.3, p=0.8),
    "GridDistortion": T.GridDistortion(4, 0.3),
    "RandomZoomOut": T.RandomZoomOut(side_range=(1.0, 2.0), p=0.8, size=CANVAS),
    "RandomIoUCrop": T.RandomIoUCrop(min_scale=0.6, size=CANVAS),
    "RandomResize": T.RandomResize(14, 21, canvas=CANVAS),
    "ScaleJitter": T.ScaleJitter((28, 20), (0.6, 1.0), canvas=CANVAS),
    "RandomShortestSize": T.RandomShortestSize((14, 18, 20), 28, canvas=CANVAS),
    "Letterbox": T.Letterbox((20, 36)),
    "FixedSizeCrop": T.FixedSizeCrop((20, 40)),
    "Compose": T.Compose([T.RandomHorizontalFlip(), T.Resize((30, 30)), T.RandomRotation(8.0), T.RandomCrop(26),
                          T.RandomVerticalFlip()]),
}
ELASTIC = {"ElasticTransform": T.ElasticTransform(4.0, 3.0)}
OTHERS = {
    "ColorJitter": T.ColorJitter(0.2, 0.2, 0.2, 0.1),
    "RandomPhotometricDistort": T.RandomPhotometricDistort(),
    "RandomChannelPermutation": T.RandomChannelPermutation(),
    "RandomGrayscale": T.RandomGrayscale(0.5),
    "RandomAutocontrast": T.RandomAutocontrast(),
    "RandomEqualize": T.RandomEqualize(),
    "RandomInvert": T.RandomInvert(),
    "RandomPosterize": T.RandomPosterize(3),
    "RandomSolarize": T.RandomSolarize(128),
    "Grayscale": T.Grayscale(3),
    "GaussianBlur": T.GaussianBlur(3),
    "GaussianNoise": T.GaussianNoise(),
    "RandomAdjustSharpness": T.RandomAdjustSharpness(2.0),
    "MotionBlur": T.MotionBlur(5),
    "RandomGamma": T.RandomGamma(),
    "CLAHE": T.CLAHE(tile_grid_size=2),
    "CoarseDropout": T.CoarseDropout((2, 4)),
    "GridMask": T.GridMask(angle=10.0),
    "RandomErasing": T.RandomErasing(0.7),
    "RandomErasing random": T.RandomErasing(0.7, value="random"),
    "RandAugment": T.RandAugment(2, 12, geometric="move"),
    "ToDtype": T.ToDtype("float32", scale=True),
    "ConvertBoundingBoxFormat": T.ConvertBoundingBoxFormat("CXCYWH"),
    "ClampBoundingBoxes": T.ClampBoundingBoxes(),
    "ClampKeyPoints": T.ClampKeyPoints(),
    "SetClampingMode": T.SetClampingMode("hard"),
    "SanitizeBoundingBoxes": T.SanitizeBoundingBoxes(min_size=9),
    "SanitizeKeyPoints": T.SanitizeKeyPoints(),
    "Identity": T.Identity(),
}
CONTAINERS = {
    "RandomApply": T.RandomApply([T.RandomHorizontalFlip(), T.ColorJitter(0.2)]),
    "RandomChoice": T.RandomChoice([T.RandomHorizontalFlip(), T.RandomVerticalFlip()]),
    "RandomOrder": T.RandomOrder([T.RandomHorizontalFlip(), T.RandomInvert()]),
    "RepeatedAugment": T.RepeatedAugment(T.RandomHorizontalFlip(), 2),
}
EVERY = {**GEOMETRIC, **ELASTIC, **OTHERS, **CONTAINERS}


def sample(seed: int = 0, *, device: bool = False, clamping_mode: str | None = "soft") -> dict:
    """An image, two boxes, the masks of these boxes, and two key points."""
    rng = np.random.default_rng(seed)
    boxes = np.array([[4, 5, 14, 13], [12, 6, 24, 17]], np.float32) + rng.integers(-2, 3, (2, 1)).astype(np.float32)
    planes = np.stack([box_mask(box) for box in boxes])
    result = {
        "image": Image(rng.integers(0, 256, (*SIZE, 3), np.uint8)), "mask": Mask(planes),
        "boxes": BoundingBoxes(boxes, canvas_size=SIZE, clamping_mode=clamping_mode),
        "points": KeyPoints(boxes[:, :2] + 2, canvas_size=SIZE), "labels": np.arange(2, dtype=np.int32),
    }
    return jax.tree.map(jnp.asarray, result) if device else result


def box_mask(box: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask that is 1 inside a box of whole pixels."""
    mask = np.zeros(size, np.uint8)
    left, top, right, bottom = box.astype(int)
    mask[max(top, 0) : bottom, max(left, 0) : right] = 1
    return mask


def mask_box(mask: np.ndarray) -> np.ndarray:
    """The box around the pixels of a mask that are not 0."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


def largest_difference(a, b) -> float:
    """The largest difference of two pytrees of one structure."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    parts = []
    for x, y in pairs:
        assert np.shape(x) == np.shape(y)
        parts.append(np.abs(np.asarray(x, np.float64) - np.asarray(y, np.float64)).max(initial=0.0))
    return max(parts, default=0.0)
