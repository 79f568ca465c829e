"""Optical flow as colours: the direction is the hue, the speed is the saturation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._canvas import host_array, is_float

__all__ = ["flow_to_image"]

TRANSITIONS = (15, 6, 4, 11, 13, 6)
"""Steps of the colour wheel from red to yellow, green, cyan, blue, magenta and back to red (Baker et al. 2007)."""


def flow_to_image(flow: Any) -> Any:
    """Colours an optical flow, with the colour wheel of Baker et al. 2007.

    The colours are those of `torchvision.utils.flow_to_image`. The fastest motion of the whole batch has the strongest
    colour. http://vision.middlebury.edu/flow/flowEval-iccv07.pdf

    Args:
        flow: floats `[..., height, width, 2]`, motion along x and along y in pixels.

    Returns:
        uint8 `[..., height, width, 3]`.

    Raises:
        ValueError: the flow is not float, or has another shape.

    >>> flow_to_image(np.array([[[0, 0], [1, 0]]], np.float32)).tolist()
    [[[255, 255, 255], [255, 0, 0]]]
    """
    array = host_array(flow, "flow_to_image")
    if not is_float(array):
        raise ValueError(f"flow_to_image takes floats, and these are {array.dtype}")
    if array.ndim < 3 or array.shape[-1] != 2:
        raise ValueError(f"flow_to_image takes [..., height, width, 2], and this flow has shape {array.shape}")
    array = array.astype(np.float32)
    largest = np.sqrt((array**2).sum(-1)).max(initial=0)
    array = array / (largest + np.finfo(np.float32).eps)
    norm = np.sqrt((array**2).sum(-1))
    wheel = _color_wheel()
    angle = np.arctan2(-array[..., 1], -array[..., 0]) / np.float32(np.pi)
    position = (angle + 1) / 2 * (len(wheel) - 1)
    first = np.floor(position).astype(np.int64)
    share = (position - first.astype(np.float32))[..., None]
    wheel = wheel / np.float32(255)
    color = (1 - share) * wheel[first] + share * wheel[(first + 1) % len(wheel)]
    picture = np.floor(255 * (1 - norm[..., None] * (1 - color))).astype(np.uint8)
    return jnp.asarray(picture) if isinstance(flow, jax.Array) else picture


def _color_wheel() -> np.ndarray:
    """The colours of the wheel, float32 `[55, 3]` from 0 to 255."""
    wheel = np.zeros((sum(TRANSITIONS), 3), np.float32)
    row = 0
    for this in range(3):  # red, green, blue: the next colour rises, then this one falls
        after = (this + 1) % 3
        for changing, constant, steps in (after, this, TRANSITIONS[2 * this]), (this, after, TRANSITIONS[2 * this + 1]):
            ramp = np.floor(np.float32(255) * np.arange(steps, dtype=np.float32) / np.float32(steps))
            wheel[row : row + steps, changing] = ramp if changing == after else 255 - ramp
            wheel[row : row + steps, constant] = 255
            row += steps
    return wheel
