"""What a sample is made of: the leaves that are images, and where they live."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
import PIL.Image

__all__ = ["Image", "ImageLike", "PlainImage", "image_leaves", "on_device"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Image:
    """Says that an array is an image: `(Image(array), label)`.

    `array` is `[..., height, width, channels]`, of numpy or of jax. A transform that is given an `Image` gives an
    `Image` back. It is a pytree, so jit, vmap and a loader's collate function see through it.

    >>> Image(np.zeros((2, 3, 1), np.uint8)).array.shape
    (2, 3, 1)
    """

    array: Any


PlainImage: TypeAlias = PIL.Image.Image | np.ndarray | jax.Array
ImageLike: TypeAlias = PlainImage | Image


def image_leaves(sample: Any) -> tuple[list[Any], Any, list[int]]:
    """The leaves of a sample, its structure, and the positions of those leaves that are images.

    `jax.tree` only takes containers apart, in Python: it starts no device, so it is safe in the threads of a loader.

    Raises:
        TypeError: no leaf is an image.
    """
    leaves, structure = jax.tree.flatten(sample, is_leaf=lambda node: isinstance(node, Image))
    bare = jax.tree_util.treedef_is_leaf(structure)
    positions = [i for i, leaf in enumerate(leaves) if bare or isinstance(leaf, PIL.Image.Image | Image)]
    if not positions:
        raise TypeError(
            f"no image in this sample, whose leaves are {', '.join(type(leaf).__name__ for leaf in leaves) or 'none'}; "
            f"in a tuple, list or dict only PIL images and transforms.Image(array) are images, so wrap the array"
        )
    return leaves, structure, positions


def on_device(images: Sequence[ImageLike]) -> bool:
    """Whether images are jax arrays, rather than PIL images and numpy arrays.

    Raises:
        TypeError: there are both.
    """
    arrays = [image.array if isinstance(image, Image) else image for image in images]
    places = {isinstance(array, jax.Array) for array in arrays}
    if len(places) > 1:
        raise TypeError(
            f"the images of one sample must be all on the host or all jax arrays, and these are "
            f"{', '.join(type(array).__name__ for array in arrays)}"
        )
    return places == {True}
