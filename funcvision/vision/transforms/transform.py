"""What every transform is: a function of a sample, on the host or on the device, with an explicit key."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._random import Random, device_key, random_from
from .functional import get_size
from .sample import ImageLike, image_leaves, on_device

__all__ = ["Compose", "RandomTransform", "Transform", "common_size", "where"]


class Transform(abc.ABC):
    """A function of samples; a subclass says in `apply` what becomes of one image.

    A transform never changes after `__init__`, so it may be shared by threads and given to `jax.jit`.
    """

    def __call__(self, sample: Any, *, key: Any = None) -> Any:
        """The sample with its images transformed, all in the same way, and everything else as it was.

        Args:
            sample: a PIL image; an array `[..., height, width, channels]` of numpy or jax; an `Image`; or a tuple,
                list, dict or other pytree in which PIL images and `Image`s are the images. Bare arrays in a pytree
                are not: they may be labels or boxes.
            key: for jax arrays a jax key; for PIL images and numpy arrays an int, which always gives the same, or a
                numpy Generator, which is advanced. May be left out where nothing is random.

        Raises:
            ValueError: something is random and there is no key.
            TypeError: no leaf is an image; or the key, or an image, belongs to the other place.
        """
        leaves, structure, positions = image_leaves(sample)
        images = [leaves[i] for i in positions]
        random = None if key is None else random_from(key, on_device(images))
        for i, image in zip(positions, self.transform(images, random), strict=True):
            leaves[i] = image
        return jax.tree.unflatten(structure, leaves)

    def batch(self, images: Any, *, key: jax.Array | None = None) -> Any:
        """A batch of samples on the device, each transformed with a key of its own.

        It is `jax.vmap` of the transform over the first axis of every array, with `jax.random.split(key, n)`.

        Args:
            images: array `[n, ..., height, width, channels]`, or a pytree of a sample's structure with arrays that
                all have a first axis of n.
            key: a jax key. May be left out where nothing is random.

        Raises:
            TypeError: something in the batch is no array.
        """
        leaves = jax.tree.leaves(images)
        if not leaves or not all(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves):
            kinds = ", ".join(type(leaf).__name__ for leaf in leaves) or "nothing"
            raise TypeError(f"batch takes arrays and got {kinds}: transform PIL images one by one, in a loader")
        if key is None:
            return jax.vmap(self)(images)
        n = leaves[0].shape[0]
        return jax.vmap(lambda sample, key: self(sample, key=key))(images, jax.random.split(device_key(key), n))

    def transform(self, images: Sequence[ImageLike], random: Random | None) -> list[Any]:
        """The images of one sample, transformed. What contains other transforms hands images on by this method."""
        return [self.apply(image) for image in images]

    @abc.abstractmethod
    def apply(self, image: ImageLike, **params: Any) -> Any:
        """One image, transformed."""


class RandomTransform(Transform):
    """A transform that draws numbers, `draw`, and then depends on nothing but them, `apply`.

    So the numbers are drawn once for all images of a sample, and may as well come from elsewhere:
    `transform.apply(image, top=3, left=5)`.
    """

    def transform(self, images: Sequence[ImageLike], random: Random | None) -> list[Any]:
        """The images of one sample, transformed with the same numbers."""
        if random is None:
            raise ValueError(
                f"{self!r} is random and got no key: call it with key=jax.random.key(0) on jax arrays, with key=0 or "
                f"a numpy Generator on PIL images and numpy arrays"
            )
        params = self.draw(random, images)
        return [self.apply(image, **params) for image in images]

    @abc.abstractmethod
    def draw(self, random: Random, images: Sequence[ImageLike]) -> dict[str, Any]:
        """The arguments of `apply`, drawn from `random.uniform(low, high, shape)` and `random.integer(high)`.

        On the host these are numpy's numbers, on the device jax's, which may be traced; `random.xp` is numpy or
        jax.numpy accordingly.
        """


class Compose(Transform):
    """Transforms one after the other.

    Each gets a key of its own, derived from the key and its place in the sequence; a numpy Generator is used by one
    after the other.

    >>> from funcvision.vision import transforms
    >>> augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()])
    >>> augment(jnp.zeros((32, 32, 3)), key=jax.random.key(0)).shape
    (32, 32, 3)
    """

    def __init__(self, transforms: Sequence[Transform]):
        self.transforms = tuple(transforms)
        if not self.transforms:
            raise ValueError("Compose needs at least one transform")
        for transform in self.transforms:
            if not isinstance(transform, Transform):
                raise TypeError(
                    f"Compose takes transforms, and {transform!r} is none: derive a class from Transform, whose "
                    f"apply(image) calls it"
                )

    def transform(self, images: Sequence[ImageLike], random: Random | None) -> list[Any]:
        """The images of one sample after all transforms."""
        images = list(images)
        for transform in self.transforms:
            images = transform.transform(images, None if random is None else random.spawn())
        return images

    def apply(self, image: ImageLike, **params: Any) -> Any:
        """One image after all transforms, none of which may be random."""
        return self.transform([image], None)[0]

    def __repr__(self) -> str:
        lines = [repr(transform).replace("\n", "\n    ") for transform in self.transforms]
        return "\n    ".join([f"{type(self).__name__}(", *lines]) + "\n)"


def common_size(images: Sequence[ImageLike]) -> tuple[int, int]:
    """Height and width of the images of one sample.

    Raises:
        ValueError: they differ.
    """
    sizes = {get_size(image): None for image in images}
    if len(sizes) > 1:
        raise ValueError(f"the images of one sample must have one size, and these have {', '.join(map(str, sizes))}")
    return next(iter(sizes))


def where(condition: bool | jax.Array, function: Callable[[Any], Any], image: Any) -> Any:
    """`function(image)` if the condition holds, else the image; the condition may be traced."""
    if not isinstance(condition, jax.Array):
        return function(image) if condition else image
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), function(image), image)
