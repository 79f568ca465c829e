"""Transforms that change how the values of an image are stored, not where they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image

from ..tv_tensors import Image, TVTensor, Video
from . import functional as F
from ._draws import Draws
from ._tensors import TensorImage
from .functional._kernel import array_namespace, namespace
from .sample import BareImage, Leaf
from .transform import Transform

__all__ = [
    "ConvertImageDtype", "LinearTransformation", "Normalize", "PILToTensor", "ToDtype", "ToImage", "ToPILImage",
    "ToPureTensor", "ToTensor",
]


@dataclass(frozen=True, eq=False)
class ToImage(Transform):
    """Makes a numpy array `[height, width, channels]` of a PIL image, with the same values; leaves arrays as they are.

    Inside a `Compose` the array is known to be an image. The caller gets it as a bare array, ready to be collated.

    >>> import PIL.Image
    >>> ToImage()((PIL.Image.new("L", (4, 3)), 7))[0].shape
    (3, 4, 1)
    """

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """An image as an array; any other leaf as it is."""
        return F.to_image(leaf)


@dataclass(frozen=True, eq=False)
class ToDtype(Transform):
    """Converts images and videos to another dtype, and with `scale` to its range; see `functional.to_dtype`.

    Args:
        dtype: a dtype for images and videos; or a dict from the types of leaves to dtypes, such as
            `{tv_tensors.Image: jnp.float32, tv_tensors.Mask: jnp.int32, "others": None}`, where None leaves a leaf as
            it is.
        scale: bring the values of images and videos to the range of the dtype.

    Raises:
        ValueError: when called, if a dict has no entry for a leaf and none for "others".

    >>> ToDtype(jnp.float32, scale=True)(np.full((1, 1, 1), 255, np.uint8))
    array([[[1.]]], dtype=float32)
    """

    dtype: Any
    scale: bool = False

    def __post_init__(self) -> None:
        for dtype in self.dtype.values() if isinstance(self.dtype, Mapping) else (self.dtype,):
            if dtype is not None:
                jnp.dtype(dtype)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The leaf in its new dtype."""
        dtype = self._dtype_for(type(leaf) if isinstance(leaf, TVTensor) else Image)
        return leaf if dtype is None else F.to_dtype(leaf, dtype, self.scale)

    def _dtype_for(self, kind: type) -> Any:
        if not isinstance(self.dtype, Mapping):
            return self.dtype if issubclass(kind, Image | Video) else None
        for base in kind.__mro__:
            if base in self.dtype:
                return self.dtype[base]
        if "others" not in self.dtype:
            raise ValueError(f"ToDtype has no dtype for {kind.__name__}: add it, or 'others': None for all the rest")
        return self.dtype["others"]


@dataclass(frozen=True, eq=False)
class Normalize(Transform):
    """Subtracts a mean from every channel of a float array and divides by a standard deviation.

    >>> Normalize(mean=[0.5], std=[0.25])(np.ones((1, 1, 1), np.float32))
    array([[[2.]]], dtype=float32)
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        if not np.all(self.std):
            raise ValueError(f"std={self.std!r} has a zero, and would be divided by")

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """A normalised image or video; any other leaf as it is."""
        return F.normalize(leaf, self.mean, self.std)


@dataclass(frozen=True, eq=False)
class ConvertImageDtype(Transform):
    """Converts images and videos to another dtype and its range: `ToDtype(dtype, scale=True)`."""

    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        jnp.dtype(self.dtype)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """An image or a video in the new dtype; any other leaf as it is."""
        return F.to_dtype(leaf, self.dtype, True) if _has_colours(leaf) else leaf


@dataclass(frozen=True, eq=False)
class PILToTensor(Transform):
    """Makes a numpy array `[height, width, channels]` of a PIL image; leaves all other leaves as they are."""

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """A PIL image as an array; any other leaf as it is."""
        return F.to_image(leaf) if isinstance(leaf, PIL.Image.Image) else leaf


@dataclass(frozen=True, eq=False)
class ToTensor(Transform):
    """Makes a Tensor of the eager face of a PIL image or an array: floats, with the channels first, as torchvision.

    uint8 values are divided by 255; other values stay as they are. The transforms that follow take the Tensor, and the
    data loader of `funcvision.eager.utils.data` makes batches of Tensors. For pure functions use `ToImage` and
    `ToDtype(jnp.float32, scale=True)`, which give arrays with the channels last.

    >>> ToTensor()(np.full((2, 5, 3), 255, np.uint8)).shape
    torch.Size([3, 2, 5])
    """

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """An image as a Tensor; any other leaf as it is."""
        if isinstance(leaf, TVTensor) and type(leaf) is not Image:
            return leaf
        image = F.to_image(leaf)
        array = np.asarray(image.array if isinstance(image, TVTensor) else image)
        if array.dtype == np.uint8:
            array = array.astype(np.float32) / np.float32(255)
        return TensorImage(array.astype(np.float32) if array.dtype == np.bool_ else array)


@dataclass(frozen=True, eq=False)
class ToPILImage(Transform):
    """Makes a PIL image of an image that is an array, on the host; leaves all other leaves as they are.

    Args:
        mode: what the channels mean, as in `functional.to_pil_image`; None chooses by their number and the dtype.

    >>> ToPILImage()(np.zeros((3, 4, 3), np.uint8)).size
    (4, 3)
    """

    mode: str | None = None

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """An image as a PIL image; any other leaf as it is."""
        if isinstance(leaf, PIL.Image.Image) or (isinstance(leaf, TVTensor) and not isinstance(leaf, Image)):
            return leaf
        return F.to_pil_image(leaf, self.mode)


@dataclass(frozen=True, eq=False)
class LinearTransformation(Transform):
    """Subtracts a mean from the vector of all values of an image and multiplies it by a square matrix: whitening.

    The vector lists the values in torch's order, all of the first channel first, so a matrix made for torchvision gives
    the same numbers. For a matrix of your own, flatten `np.moveaxis(images, -1, -3)`. Masks, boxes and key points stay
    as they are.

    Args:
        transformation_matrix: `[n, n]` for n = channels * height * width; the vector is multiplied from the left.
        mean_vector: `[n]`.

    Raises:
        ValueError: the shapes do not fit, here or when called with an image.
        TypeError: when called: a PIL image, or an image that is not of floats.
    """

    transformation_matrix: Any
    mean_vector: Any

    def __post_init__(self) -> None:
        matrix, mean = np.shape(self.transformation_matrix), np.shape(self.mean_vector)
        if len(matrix) != 2 or matrix[0] != matrix[1] or mean != matrix[:1]:
            raise ValueError(f"the matrix must be [n, n] and the mean [n], and these are {matrix} and {mean}")

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The transformed image or video; any other leaf as it is."""
        if isinstance(leaf, PIL.Image.Image):
            raise TypeError("LinearTransformation takes arrays and got a PIL image: put ToImage() before it")
        if isinstance(leaf, TVTensor):
            return leaf.replace(array=self._product(leaf.array)) if _has_colours(leaf) else leaf
        return self._product(leaf)

    def _product(self, image: Any) -> Any:
        namespace(image, "LinearTransformation")
        xp = array_namespace(image)
        if not jnp.issubdtype(image.dtype, jnp.floating):
            raise TypeError(
                f"LinearTransformation takes floats and got {image.dtype}: put ToDtype(jnp.float32, scale=True) before"
            )
        height, width, channels = image.shape[-3:]
        count = height * width * channels
        if count != np.shape(self.mean_vector)[0]:
            raise ValueError(
                f"LinearTransformation has a matrix for {np.shape(self.mean_vector)[0]} values, and the image has "
                f"{count}, shape {image.shape}"
            )
        vectors = xp.moveaxis(image, -1, -3).reshape(-1, count) - xp.asarray(self.mean_vector, image.dtype)[None]
        product = vectors @ xp.asarray(self.transformation_matrix, image.dtype)
        return xp.moveaxis(product.reshape(*image.shape[:-3], channels, height, width), -3, -1)


@dataclass(frozen=True, eq=False)
class ToPureTensor(Transform):
    """Makes plain arrays of all typed leaves; put it last, since later transforms see only images in them.

    What else a leaf holds, such as the format of boxes, is lost. PIL images stay.
    """

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample with plain arrays."""
        def one(leaf: Any) -> Any:
            if isinstance(leaf, Image):
                return BareImage(leaf.array)
            return leaf.array if isinstance(leaf, TVTensor) else leaf

        return jax.tree.map(one, sample, is_leaf=lambda node: isinstance(node, TVTensor))


def _has_colours(leaf: Leaf) -> bool:
    """Whether a leaf is an image or a video."""
    return not isinstance(leaf, TVTensor) or isinstance(leaf, Image | Video)
