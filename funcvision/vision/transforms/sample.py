"""The leaves of a sample: which of them are transformed, and whether they are on the host or on the device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np
import PIL.Image

from ..tv_tensors import Image, TVTensor
from ._tensors import TensorImage, image_of, is_tensor, tensor_of
from .functional import get_size

__all__ = ["Leaf", "called", "common_size", "map_leaves", "on_device", "transformed_leaves", "typed", "untyped"]

Leaf: TypeAlias = PIL.Image.Image | np.ndarray | jax.Array | TVTensor
"""What a transform is applied to: a PIL image, an array that is an image, or a typed leaf."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class BareImage(Image):
    """An image that the caller holds as a bare array; it exists only while a transform runs.

    So each transform of a `Compose` recognises an image by its type, and the caller, who gave a bare array or a PIL
    image, gets a bare array back.
    """


def typed(sample: Any) -> Any:
    """The sample as transforms hand it on: a sample that is one bare array, or one Tensor, becomes an image.

    Raises:
        TypeError: the sample has no leaf that a transform could be applied to.
    """
    if isinstance(sample, np.ndarray | jax.Array):
        return BareImage(sample)
    if is_tensor(sample):
        if sample.ndim < 3:
            raise TypeError(f"an image is a Tensor [..., channels, height, width], and this one is {[*sample.shape]}")
        return image_of(sample)
    if not transformed_leaves(sample):
        leaves = jax.tree.leaves(sample)
        if leaves and leaves[0] is sample:
            raise TypeError(
                f"a transform takes a PIL image, a numpy array, a jax array, a leaf of tv_tensors or a tuple, list or "
                f"dict of leaves, and this is a {type(sample).__name__}"
            )
        raise TypeError(
            f"no image in this sample, whose leaves are {', '.join(type(leaf).__name__ for leaf in leaves) or 'none'}; "
            f"in a tuple, list or dict only PIL images and typed leaves are transformed, so wrap the array in "
            f"tv_tensors.Image(array)"
        )
    return sample


def untyped(sample: Any) -> Any:
    """The sample as the caller gets it: images that the caller did not wrap become bare arrays, or Tensors."""
    def one(leaf: Any) -> Any:
        if isinstance(leaf, TensorImage):
            return tensor_of(leaf)
        return leaf.array if isinstance(leaf, BareImage) else leaf

    return jax.tree.map(one, sample, is_leaf=_is_typed)


def called(function: Callable[[Any], Any], sample: Any) -> Any:
    """What a function of the caller makes of a sample: the function gets what the caller would get."""
    result = function(untyped(sample))
    if is_tensor(result):
        return image_of(result) if result.ndim > 2 else result
    return _as_image(result)


def transformed_leaves(sample: Any) -> list[Any]:
    """The PIL images and typed leaves of a sample.

    `jax.tree` only takes containers apart, in Python: it starts no device, so it is safe in the threads of a loader.
    """
    return [leaf for leaf in jax.tree.leaves(sample, is_leaf=_is_typed) if _is_transformed(leaf)]


def map_leaves(function: Callable[[Any], Any], sample: Any) -> Any:
    """The sample with the function applied to its PIL images and typed leaves; everything else stays as it is.

    The function gets a bare image as an array. An array that it returns is an image.
    """
    if is_tensor(sample):
        typed(sample)  # it was made by a function in a Compose, and is no image: raises TypeError

    def one(leaf: Any) -> Any:
        if not _is_transformed(leaf):
            return leaf
        result = function(leaf.array if isinstance(leaf, BareImage) else leaf)
        return result if _is_transformed(result) else jax.tree.map(_as_image, result, is_leaf=_is_typed)

    return jax.tree.map(one, sample, is_leaf=_is_typed)


def on_device(sample: Any) -> bool:
    """Whether the transformed leaves are jax arrays, rather than PIL images and numpy arrays.

    Raises:
        TypeError: there are both.
    """
    leaves = transformed_leaves(sample)
    arrays = [leaf.array if isinstance(leaf, TVTensor) else leaf for leaf in leaves]
    places = {isinstance(array, jax.Array) for array in arrays}
    if len(places) > 1:
        raise TypeError(
            f"the leaves of one sample must be all on the host or all jax arrays, and these are "
            f"{', '.join(type(array).__name__ for array in arrays)}"
        )
    return places == {True}


def common_size(sample: Any) -> tuple[int, int]:
    """Height and width, which the images, masks and canvases of one sample share.

    Raises:
        ValueError: they differ.
    """
    sizes = {get_size(leaf): None for leaf in transformed_leaves(typed(sample))}
    if len(sizes) > 1:
        raise ValueError(
            f"the images, masks and canvases of one sample must have one size, and these have "
            f"{', '.join(map(str, sizes))}"
        )
    return next(iter(sizes))


def _is_typed(node: Any) -> bool:
    return isinstance(node, TVTensor)


def _is_transformed(leaf: Any) -> bool:
    return isinstance(leaf, PIL.Image.Image | TVTensor)


def _as_image(leaf: Any) -> Any:
    return BareImage(leaf) if isinstance(leaf, np.ndarray | jax.Array) else leaf
