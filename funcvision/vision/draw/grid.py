"""Images side by side in one, and image files."""

import math
import os
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ..tv_tensors import Image, TVTensor, Video
from ._canvas import host_array, is_float

__all__ = ["make_grid", "save_image"]


def make_grid(
    tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False,
    value_range: tuple[float, float] | None = None, scale_each: bool = False, pad_value: float = 0.0,
) -> Any:
    """Puts images of one size side by side, row by row.

    The values are those of `torchvision.utils.make_grid`. Grey images get three channels. A single image stays as it
    is, without a border.

    Args:
        tensor: images `[n, height, width, channels]`, one image `[height, width, channels]` or `[height, width]`, an
            `Image`, a `Video` (its frames), or a list of images of one size.
        nrow: the largest number of images in a row.
        padding: width of the border around and between the images, in pixels.
        normalize: bring the values to [0, 1].
        value_range: (low, high), the values that become 0 and 1; by default the smallest and the largest of all images.
        scale_each: take the smallest and the largest value of each image.
        pad_value: value of the border.

    Returns:
        `[height, width, channels]`: an `Image` if an `Image` or a `Video` was given, else an array.

    Raises:
        ValueError: the images have another shape or different ones, `nrow` is not positive, `padding` is negative,
            `value_range` is not (low, high), or integers are to be normalised.

    >>> make_grid(np.zeros((6, 10, 20, 3), np.uint8), nrow=3).shape
    (26, 68, 3)
    """
    first = tensor[0] if isinstance(tensor, list | tuple) and tensor else tensor
    images = _stack(tensor)
    if nrow < 1 or padding < 0:
        raise ValueError(f"nrow={nrow} must be positive, and padding={padding} must be zero or more")
    if normalize:
        images = _normalized(images, value_range, scale_each)
    if len(images) == 1:
        return _as_image(images[0], first)
    columns = min(nrow, len(images))
    rows = math.ceil(len(images) / columns)
    _, height, width, channels = images.shape
    step_y, step_x = height + padding, width + padding
    grid = np.full((rows * step_y + padding, columns * step_x + padding, channels), pad_value, images.dtype)
    for i, image in enumerate(images):
        top, left = i // columns * step_y + padding, i % columns * step_x + padding
        grid[top : top + height, left : left + width] = image
    return _as_image(grid, first)


def save_image(tensor: Any, fp: str | os.PathLike[str] | BinaryIO, format: str | None = None, **options: Any) -> None:
    """Writes an image to a file, or several as a grid.

    Floats in [0, 1] become 8 bits by `255 * x + 0.5`, cut off, as in `torchvision.utils.save_image`; floats outside are
    clipped. uint8, which torchvision does not take, is written as it is.

    Args:
        tensor: as in `make_grid`.
        fp: a path, or a file that is open for writing bytes.
        format: the format of the file, as Pillow calls it; by default the ending of the path decides.
        **options: options of `make_grid`.

    Raises:
        ValueError: the images are neither floats nor uint8, or do not have 1, 3 or 4 channels; or as `make_grid` does.
    """
    grid = host_array(make_grid(tensor, **options), "save_image")
    if is_float(grid):
        wide = grid if grid.dtype == np.float64 else grid.astype(np.float32)
        grid = np.clip(wide * 255 + 0.5, 0, 255).astype(np.uint8)
    if grid.dtype != np.uint8 or grid.shape[-1] not in (3, 4):
        raise ValueError(
            f"save_image takes images of floats or uint8 with 1, 3 or 4 channels, and this grid is {grid.dtype} of "
            f"shape {grid.shape}"
        )
    PIL.Image.fromarray(grid).save(fp, format=format)


def _stack(tensor: Any) -> np.ndarray:
    """The images as one array `[n, height, width, channels]` of at least three channels."""
    if isinstance(tensor, list | tuple):
        images = [_one(image) for image in tensor]
        if len({(image.shape, image.dtype) for image in images}) != 1:
            forms = ", ".join(f"{image.dtype}{list(image.shape)}" for image in images) or "none"
            raise ValueError(f"make_grid takes images of one shape and dtype, at least one, and these are {forms}")
        array = np.stack(images)
    else:
        array = _one(tensor)
        array = array[None] if array.ndim == 3 else array
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(
            f"make_grid takes [n, height, width, channels], [height, width, channels] or a list of images, and this "
            f"makes an array of shape {array.shape}"
        )
    return np.concatenate([array] * 3, -1) if array.shape[-1] == 1 else array


def _one(image: Any) -> np.ndarray:
    """An array of images on the host, a grey one with an axis of channels."""
    if isinstance(image, TVTensor) and not isinstance(image, Image | Video):
        raise TypeError(f"make_grid takes images, and this is a {type(image).__name__}")
    array = host_array(image, "make_grid")
    return array[..., None] if array.ndim == 2 else array


def _normalized(images: np.ndarray, value_range: tuple[float, float] | None, scale_each: bool) -> np.ndarray:
    """The images with their values brought to [0, 1]."""
    if not is_float(images):
        raise ValueError(f"normalize=True needs floats, and these images are {images.dtype}")
    if value_range is not None and (not isinstance(value_range, tuple) or len(value_range) != 2):
        raise ValueError(f"value_range={value_range!r} must be (low, high)")
    parts = []
    for part in images if scale_each else [images]:
        low, high = value_range or (float(part.min()), float(part.max()))
        parts.append(((np.clip(part, low, high) - low) / max(high - low, 1e-5)).astype(images.dtype))
    return np.stack(parts) if scale_each else parts[0]


def _as_image(grid: np.ndarray, given: Any) -> Any:
    """The grid as an array of numpy or jax, as the images are, and as an `Image` if they are typed."""
    array = given.array if isinstance(given, TVTensor) else given
    result = jnp.asarray(grid) if isinstance(array, jax.Array) else grid
    return Image(result) if isinstance(given, TVTensor) else result
