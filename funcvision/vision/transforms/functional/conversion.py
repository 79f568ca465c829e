"""Kernels that convert PIL images to arrays and back, convert dtypes, and normalise."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from ._kernel import PlainImage, get_size, kernel, namespace, pass_through

__all__ = [
    "convert_image_dtype", "get_dimensions", "get_image_num_channels", "get_image_size", "get_num_channels",
    "normalize", "pil_to_tensor", "to_dtype", "to_image", "to_pil_image", "to_tensor",
]

VALUE_BITS = {"uint8": 8, "int8": 7, "int16": 15, "uint16": 16, "int32": 31, "int64": 63}
TWO_CHANNELS, THREE_CHANNELS, FOUR_CHANNELS = ("LA",), ("RGB", "YCbCr", "HSV"), ("RGBA", "CMYK", "RGBX")


@kernel
def to_image(image: PlainImage) -> Any:
    """A PIL image as a new numpy array `[height, width, channels]` of the same values; any other leaf as it is.

    A grey image has one channel, and an array without a channel axis is given one. A palette image (mode "P") becomes
    its palette indices, as in torchvision: `convert("RGB")` it first if it is a picture.

    >>> to_image(PIL.Image.new("RGB", (4, 3))).shape, to_image(np.zeros((28, 28))).shape
    ((3, 4, 3), (28, 28, 1))
    """
    if isinstance(image, PIL.Image.Image):
        image = np.array(image)
    if isinstance(image, np.ndarray | jax.Array) and image.ndim == 2:
        image = image[..., None]
    namespace(image, "to_image")
    return image


pass_through(to_image, Video, Mask, BoundingBoxes, KeyPoints)


@kernel
def to_dtype(image: PlainImage, dtype: Any = jnp.float32, scale: bool = False) -> Any:
    """The array in another dtype; with `scale`, its values are brought to the range of that dtype.

    The range of floats is [0, 1], that of integers is from 0 to the largest value of the dtype. From float to integer,
    [0, 1] is cut into equal parts (256 for uint8), and values outside become the smallest or largest integer (in
    torchvision they wrap around). Between integers, low bits are dropped or zero bits appended. The values of masks,
    boxes and key points are never scaled.

    Args:
        image: array `[..., height, width, channels]`, or any leaf of `tv_tensors`.
        dtype: the new dtype.
        scale: whether to bring the values to the range of the new dtype.

    Raises:
        TypeError: a PIL image, which has no dtype; or a dtype without a range.
        ValueError: a float dtype with too few bits for all integers; or a dtype of 64 bits where jax has only 32.

    >>> to_dtype(np.array([[[0, 255]]], np.uint8), np.float32, scale=True)
    array([[[0., 1.]]], dtype=float32)
    """
    array = _array(image, "to_dtype")
    xp = namespace(array, "to_dtype")
    old, new = np.dtype(array.dtype), np.dtype(dtype)
    if old == new:
        return array
    _check_dtype(array, new)
    floats = jnp.issubdtype(old, jnp.floating), jnp.issubdtype(new, jnp.floating)
    if not scale or floats == (True, True) or (old.kind == "b" and floats[1]):
        return array.astype(new)
    for side, is_float in zip((old, new), floats):
        if not is_float and side.name not in VALUE_BITS:
            raise TypeError(f"to_dtype(scale=True) knows no range of values for {side}")
    if floats[1]:
        wide = np.float64 if new == np.float64 else np.float32
        return (array.astype(wide) * wide(1 / jnp.iinfo(old).max)).astype(new)
    if floats[0]:
        return _to_integers(xp, array, new)
    shift = VALUE_BITS[old.name] - VALUE_BITS[new.name]
    return (array >> shift).astype(new) if shift > 0 else array.astype(new) << -shift


@to_dtype.register(Mask)
@to_dtype.register(BoundingBoxes)
@to_dtype.register(KeyPoints)
def _(leaf: Mask | BoundingBoxes | KeyPoints, dtype: Any = jnp.float32, scale: bool = False) -> Any:
    new = np.dtype(dtype)
    _check_dtype(leaf.array, new)
    return leaf.replace(array=leaf.array.astype(new))


@kernel
def normalize(image: PlainImage, mean: float | Sequence[float], std: float | Sequence[float]) -> Any:
    """`(image - mean) / std`, channel by channel, in the dtype of the image.

    Args:
        image: float array `[..., height, width, channels]`.
        mean: one number, or one for each channel.
        std: one number, or one for each channel.

    Raises:
        TypeError: a PIL image, or an array of integers.
        ValueError: a std of zero; or not one number per channel (torchvision would silently make three channels of a
            grey image).
    """
    array = _array(image, "normalize")
    namespace(array, "normalize")
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise TypeError(
            f"normalize takes a float image and got {array.dtype}: put ToDtype(jnp.float32, scale=True) before it"
        )
    centre, spread = _per_channel(mean, "mean", array), _per_channel(std, "std", array)
    if not np.all(spread):
        raise ValueError(f"std={std!r} has a zero in {array.dtype}, and would be divided by")
    if isinstance(array, np.ndarray):  # numpy is three times faster along a whole row than along the channels
        rows = array.reshape(*array.shape[:-2], -1)
        centre, spread = (np.broadcast_to(row.reshape(-1), array.shape[-2:]).reshape(-1) for row in (centre, spread))
        result = rows - centre
        result /= spread
        return result.reshape(array.shape)
    return (array - centre) / spread


pass_through(normalize, Mask, BoundingBoxes, KeyPoints)


def to_pil_image(image: np.ndarray | jax.Array | Image, mode: str | None = None) -> PIL.Image.Image:
    """An array as a PIL image.

    Args:
        image: `[height, width, channels]` or `[height, width]`: uint8 with 1 to 4 channels; float in [0, 1], which is
            rounded down to bytes; or one channel of bool, uint16, int16, int32, or of float32 with `mode="F"`.
        mode: what the channels mean: "LA" for two (the default), "RGB", "YCbCr", "HSV" for three, "RGBA", "CMYK",
            "RGBX" for four. The values are taken as they are, not converted to the mode.

    Raises:
        TypeError: it is no array; or Pillow has no mode for its dtype.
        ValueError: the shape or the mode does not fit.
    """
    if isinstance(image, Image):
        image = image.array
    image = to_image(image) if isinstance(image, np.ndarray | jax.Array) else image
    namespace(image, "to_pil_image")
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[-1] > 4:
        raise ValueError(f"to_pil_image takes [height, width, 1 to 4 channels] and got {array.shape}")
    if jnp.issubdtype(array.dtype, jnp.floating):
        array = array.astype(np.float32) if mode == "F" else (array * 255).clip(0, 255).astype(np.uint8)
    modes = (_one_channel_modes(array), TWO_CHANNELS, THREE_CHANNELS, FOUR_CHANNELS)[array.shape[-1] - 1]
    if not modes or (array.shape[-1] > 1 and array.dtype != np.uint8):
        raise TypeError(f"Pillow has no mode for {array.shape[-1]} channels of {array.dtype}")
    mode = modes[0] if mode is None else mode
    if mode not in modes:
        raise ValueError(f"mode={mode!r} does not fit {array.shape[-1]} channels of {array.dtype}: {modes} do")
    if mode == "1":
        return PIL.Image.fromarray(array[..., 0])
    return PIL.Image.frombytes(mode, array.shape[1::-1], array.tobytes())


def pil_to_tensor(image: PIL.Image.Image) -> np.ndarray:
    """A PIL image as a new numpy array `[height, width, channels]`; TypeError for anything else."""
    if not isinstance(image, PIL.Image.Image):
        raise TypeError(f"pil_to_tensor takes a PIL image and got a {type(image).__name__}")
    return to_image(image)


def to_tensor(image: PlainImage) -> Any:
    """A PIL image or an array as a float32 array `[height, width, channels]`; bytes are scaled to [0, 1].

    Torchvision keeps this name for old code. `to_image` and `to_dtype(scale=True)` are the two steps one by one. As in
    torchvision, values that are not bytes keep their dtype and are not scaled.

    >>> to_tensor(PIL.Image.new("L", (1, 1), 255))
    array([[[1.]]], dtype=float32)
    """
    array = to_image(image)
    return to_dtype(array, np.float32, scale=True) if array.dtype == np.uint8 else array


def convert_image_dtype(image: Any, dtype: Any = jnp.float32) -> Any:
    """The image in another dtype with its values brought to the range of that dtype: `to_dtype(scale=True)`."""
    return to_dtype(image, dtype, scale=True)


def get_num_channels(image: Any) -> int:
    """The number of channels of a PIL image, an array, an `Image` or a `Video`; TypeError for anything else.

    >>> get_num_channels(PIL.Image.new("RGB", (4, 3)))
    3
    """
    if isinstance(image, PIL.Image.Image):
        return len(image.getbands())
    array = image.array if isinstance(image, Image | Video) else image
    namespace(array, "get_num_channels")
    return array.shape[-1]


get_image_num_channels = get_num_channels


def get_dimensions(image: Any) -> tuple[int, int, int]:
    """Height, width and channels of a PIL image, an array, an `Image` or a `Video`; TypeError for anything else.

    >>> get_dimensions(PIL.Image.new("RGB", (4, 3)))
    (3, 4, 3)
    """
    channels = get_num_channels(image)
    return (*get_size(image), channels)


def get_image_size(image: Any) -> tuple[int, int]:
    """Width and height of a leaf, in the order of torchvision's old function of this name.

    `get_size` gives (height, width), the order of every other size here.

    >>> get_image_size(PIL.Image.new("RGB", (4, 3)))
    (4, 3)
    """
    height, width = get_size(image)
    return width, height


def _array(image: PlainImage, function: str) -> Any:
    """The image itself; raises TypeError if it is a PIL image."""
    if isinstance(image, PIL.Image.Image):
        raise TypeError(f"{function} takes an array and got a PIL image: put ToImage() before it")
    return image


def _check_dtype(array: Any, new: np.dtype) -> None:
    """Raises ValueError if jax would silently make a narrower dtype of the one asked for."""
    if isinstance(array, jax.Array) and jax.dtypes.canonicalize_dtype(new) != new:
        raise ValueError(f'jax has no {new} by default: jax.config.update("jax_enable_x64", True)')


def _to_integers(xp: Any, image: Any, new: np.dtype) -> Any:
    """Floats in [0, 1] as integers: [0, 1] is cut into n equal parts for n integers, and 1 belongs to the last one."""
    old = np.dtype(image.dtype)
    if VALUE_BITS[new.name] > (52 if old == np.float64 else 23):
        raise ValueError(f"{old} is too narrow to be scaled to {new}: go by way of a wider float or a narrower integer")
    wide = np.float64 if old == np.float64 else np.float32
    largest = jnp.iinfo(new).max
    scaled = image.astype(wide) * wide(largest + 1 - 1e-3)
    return xp.clip(scaled, jnp.iinfo(new).min, largest).astype(new)


def _per_channel(values: float | Sequence[float], name: str, image: Any) -> np.ndarray:
    """`mean` or `std` in the image's dtype, with the image's number of axes."""
    array = np.atleast_1d(np.asarray(values, np.float64)).astype(image.dtype)
    if array.ndim != 1 or array.size not in (1, image.shape[-1]):
        raise ValueError(
            f"{name}={values!r} has {array.size} numbers for an image of {image.shape[-1]} channels, shape "
            f"{image.shape}; a PIL image is brought to three channels by convert('RGB')"
        )
    return array.reshape((1,) * (image.ndim - 1) + (-1,))


def _one_channel_modes(array: np.ndarray) -> tuple[str, ...]:
    names = {"bool": "1", "uint8": "L", "uint16": "I;16", "int16": "I;16", "int32": "I", "float32": "F"}
    return (names[array.dtype.name],) if array.dtype.name in names else ()
