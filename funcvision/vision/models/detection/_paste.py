"""Masks of boxes painted into whole images, on the host."""

import numpy as np

from ...transforms.functional import resize

__all__ = ["paste_masks"]

_BORDER = 1  # pixels of zeros around a mask, so that the edge of an object fades


def paste_masks(masks: np.ndarray, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Masks [n, m, m] that each cover a box, as images [n, 1, height, width] with zeros around the box.

    As in torchvision, each mask gets a border of zeros, and its box grows likewise and is cut to integers, before the
    mask is resized to the box.

    Args:
        masks: probabilities.
        boxes: [n, 4], (left, top, right, bottom) in pixels of the image.
        size: (height, width) of the image.
    """
    side = masks.shape[-1]
    padded = np.pad(masks, ((0, 0), (_BORDER, _BORDER), (_BORDER, _BORDER)))
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * ((side + 2 * _BORDER) / side)
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    corners = np.concatenate([centre - half, centre + half], 1).astype(np.int64)
    images = np.zeros((len(masks), 1, *size), masks.dtype)
    for image, mask, (left, top, right, bottom) in zip(images, padded, corners.tolist(), strict=True):
        height, width = max(bottom - top + 1, 1), max(right - left + 1, 1)
        resized = resize(mask[..., None], (height, width), antialias=False)[..., 0]
        y0, y1 = max(top, 0), min(bottom + 1, size[0])
        x0, x1 = max(left, 0), min(right + 1, size[1])
        image[0, y0:y1, x0:x1] = resized[y0 - top : y1 - top, x0 - left : x1 - left]
    return images
