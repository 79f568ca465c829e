"""Kernels for the frames of a video; leaves without frames stay as they are."""

import operator
from typing import Any

import numpy as np
import PIL.Image

from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from ._kernel import PlainImage, kernel, namespace, pass_through

__all__ = ["get_num_frames", "uniform_temporal_subsample"]


def get_num_frames(video: Any) -> int:
    """The number of frames of a `Video` or of an array `[..., time, height, width, channels]`.

    Raises:
        TypeError: it is neither of them.
        ValueError: it has fewer than four axes.

    >>> get_num_frames(np.zeros((7, 4, 5, 3), np.uint8))
    7
    """
    return _frames(video.array if isinstance(video, Video) else video, "get_num_frames").shape[-4]


@kernel
def uniform_temporal_subsample(video: PlainImage, num_samples: int) -> Any:
    """Frames at equal distances in time, from the first to the last one.

    If there are fewer frames than `num_samples`, frames are repeated.

    Args:
        video: `Video`, or array `[..., time, height, width, channels]`.
        num_samples: number of frames of the result.

    Raises:
        TypeError: a PIL image.
        ValueError: fewer than four axes; no frame; or `num_samples` is less than 1.

    >>> uniform_temporal_subsample(np.arange(9).reshape(9, 1, 1, 1), 3).ravel()
    array([0, 4, 8])
    """
    frames, count = _frames(video, "uniform_temporal_subsample"), operator.index(num_samples)
    if count < 1 or not frames.shape[-4]:
        raise ValueError(f"num_samples={num_samples!r} of {frames.shape[-4]} frames: both must be at least 1")
    return frames[..., _equally_spaced(frames.shape[-4] - 1, count), :, :, :]


pass_through(uniform_temporal_subsample, Image, Mask, BoundingBoxes, KeyPoints)


def _frames(video: Any, function: str) -> Any:
    """The array; raises an error unless it is `[..., time, height, width, channels]`."""
    if isinstance(video, PIL.Image.Image):
        raise TypeError(f"{function} takes a video and got a PIL image")
    namespace(video, function)
    if video.ndim < 4:
        raise ValueError(f"{function} takes [..., time, height, width, channels] and got an array of {video.shape}")
    return video


def _equally_spaced(last: int, count: int) -> np.ndarray:
    """Whole numbers from 0 to `last`, rounded down from float32 as torch's `linspace` rounds them.

    Torch counts the first half from the start and the second half from the end, which decides about whole numbers.
    """
    places = np.arange(count, dtype=np.float32)
    step = np.float32(last) / np.float32(max(count - 1, 1))
    if count == 1:
        return np.zeros(1, np.int64)
    from_end = np.float32(last) - (np.float32(count - 1) - places) * step
    return np.where(places < count // 2, places * step, from_end).astype(np.int64)
