"""What every transform is: a function of a sample, on the host or on the device, with an explicit key."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ...data._workers import sample_random
from ..tv_tensors import BoundingBoxes, KeyPoints, Mask
from ._draws import Draws, NewDraws, RecordedDraws
from ._random import Random, device_key, random_from
from .sample import Leaf, common_size, map_leaves, on_device, typed, untyped

__all__ = ["Transform", "size_before", "where"]


class Transform:
    """A function of samples.

    A subclass overrides one or more of three methods:

    - `apply(leaf, **params)` says what becomes of one leaf. Kernels (`transforms.functional`) choose by its type.
    - `draw(random, sample)` draws what is random, once for the whole sample, and returns the params of `apply`.
    - `transform(sample, draws)` is for a transform that couples, drops or adds leaves, and for containers. It is given
      the sample and returns a sample, whose structure may be another one.

    A transform that moves leaves also overrides `invert(leaf, before, **params)`, which moves one leaf back.

    A transform never changes after `__init__`, so it may be shared by threads and given to `jax.jit`.

    >>> class Invert(Transform):
    ...     def apply(self, leaf, **params):
    ...         return 255 - leaf
    >>> Invert()(np.full((1, 1, 1), 5, np.uint8))
    array([[[250]]], dtype=uint8)
    """

    def __call__(self, sample: Any, *, key: Any = None) -> Any:
        """The sample after the transform.

        Args:
            sample: a PIL image; an array `[..., height, width, channels]` of numpy or jax; a Tensor of the eager face,
                `[..., channels, height, width]`, whose key is like that of a numpy array; a leaf of `tv_tensors`; or a
                tuple, list, dict or other pytree. In a pytree, PIL images and leaves of `tv_tensors` are transformed,
                all with the same random numbers. Everything else passes through, bare arrays and Tensors too: they may
                be labels.
            key: for jax arrays a jax key; for PIL images and numpy arrays an int, which always gives the same result,
                or a numpy Generator, which is advanced. May be left out where nothing is random, and where the loader
                of the eager face reads the sample.

        Raises:
            ValueError: something is random and there is no key.
            TypeError: there is nothing to transform; or a leaf is of a kind that a kernel does not know; or the key,
                or a leaf, belongs to the other place.
        """
        sample = typed(sample)
        return untyped(self.transform(sample, _new_draws(sample, key)))

    def params(self, sample: Any, *, key: Any = None) -> Any:
        """What `transform(sample, key=key)` draws, as a plain pytree of dicts and tuples.

        For a `Compose` it is a tuple with the params of its members. `replay` takes it. The arguments and errors are
        those of a call.

        >>> from funcvision.vision import transforms
        >>> transforms.RandomHorizontalFlip(p=1.0).params(np.zeros((4, 4, 3)), key=0)
        {'flip': True}
        """
        sample = typed(sample)
        draws = _new_draws(sample, key)
        self.transform(sample, draws)
        return draws.record

    def replay(self, sample: Any, params: Any) -> Any:
        """The sample after the transform with params that were drawn before.

        `transform.replay(sample, transform.params(sample, key=key))` is `transform(sample, key=key)`. The params also
        do the same to another sample of the same size, such as a depth map that belongs to the image.

        Args:
            sample: as in a call.
            params: what `params` returned.

        Raises:
            ValueError: the params are those of a different transform.
        """
        sample = typed(sample)
        return untyped(self.transform(sample, _recorded(sample, params)))

    def inverse(self, sample: Any, params: Any, *, size: tuple[int, int] | None = None) -> Any:
        """The sample with every leaf moved back to where it was before the transform.

        This is for test-time augmentation: predicted boxes, masks and key points return to the original canvas. What
        the transform cut off stays lost, and pixels that it did not show are zero. Colours are not restored: a
        transform that leaves boxes, masks and key points where they are returns them as they are.

        Args:
            sample: predictions for a transformed sample, typed leaves of its size.
            params: what `params` returned for the transform.
            size: (height, width) before the transform. It may be left out where the size stays the same.

        Raises:
            ValueError: the transform has no inverse, or needs `size`.

        >>> from funcvision.vision import transforms, tv_tensors
        >>> points = tv_tensors.KeyPoints(np.array([[3.0, 1.0]]), canvas_size=(10, 20))
        >>> transforms.Resize((20, 40)).inverse(points, {}, size=(5, 10)).array
        array([[1.5, 0.5]])
        """
        sample = typed(sample)
        return untyped(self.undo(sample, _recorded(sample, params), size))

    def batch(self, samples: Any, *, key: jax.Array | None = None) -> Any:
        """A batch of samples on the device, each transformed with a key of its own.

        It is `jax.vmap` of the transform over the first axis of every array, with `jax.random.split(key, n)`.

        Args:
            samples: array `[n, ..., height, width, channels]`, or a pytree of a sample's structure with arrays that
                all have a first axis of n.
            key: a jax key. May be left out where nothing is random.

        Raises:
            TypeError: something in the batch is no array.
        """
        leaves = jax.tree.leaves(samples)
        if not leaves or not all(isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves):
            kinds = ", ".join(type(leaf).__name__ for leaf in leaves) or "nothing"
            raise TypeError(f"batch takes arrays and got {kinds}: transform PIL images one by one, in a loader")
        if key is None:
            return jax.vmap(self)(samples)
        n = leaves[0].shape[0]
        return jax.vmap(lambda sample, key: self(sample, key=key))(samples, jax.random.split(device_key(key), n))

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The random arguments of `apply`, drawn once for the whole sample.

        Args:
            random: `random.uniform(low, high, shape)` and `random.integer(high)` give numpy's numbers on the host and
                jax's on the device, which may be traced; `random.xp` is numpy or jax.numpy accordingly.
            sample: the sample before the transform; `common_size(sample)` gives its height and width.
        """
        return {}

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """One leaf after the transform."""
        raise NotImplementedError(f"{type(self).__name__} defines neither apply nor transform")

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample after the transform, for this and other transforms to call.

        In the sample, an image is a PIL image or an `Image`. An override gets its random numbers by
        `params = draws.draw(self, sample)`. A container hands the sample to its members by
        `member.transform(sample, part)`, where `draws.spawn(count)` gives the parts.
        """
        params = draws.draw(self, sample)
        return map_leaves(lambda leaf: self.apply(leaf, **params), sample)

    def invert(self, leaf: Leaf, before: tuple[int, int] | None, **params: Any) -> Any:
        """One leaf moved back, for transforms to override that move leaves.

        Args:
            leaf: a leaf after the transform.
            before: (height, width) before it, or None if the caller did not say.
            **params: what `draw` returned.
        """
        probe = KeyPoints(np.zeros((1, 2), np.float32), canvas_size=common_size(leaf))
        if self.transform(probe, RecordedDraws(params)) is not probe:
            raise ValueError(f"{self!r} moves the leaves of a sample, and defines no inverse")
        if not isinstance(leaf, Mask | BoundingBoxes | KeyPoints):
            raise ValueError(
                f"{self!r} changes colours, which cannot be restored: take the inverse of boxes, masks and key points"
            )
        return leaf

    def undo(self, sample: Any, draws: Draws, size: tuple[int, int] | None) -> Any:
        """The sample with every leaf moved back, for containers to override; see `invert`."""
        params = draws.draw(self, sample)
        return map_leaves(lambda leaf: self.invert(leaf, size, **params), sample)

    def size_after(self, size: tuple[int, int], draws: Draws) -> tuple[int, int]:
        """Height and width after the transform of a sample of some height and width."""
        xp = jnp if any(isinstance(value, jax.Array) for value in jax.tree.leaves(draws.record)) else np
        points = KeyPoints(xp.zeros((0, 2), np.float32), canvas_size=size)
        return common_size(self.transform(points, draws))

    @property
    def is_random(self) -> bool:
        """Whether the transform draws numbers itself, apart from its members."""
        return type(self).draw is not Transform.draw


def where(condition: Any, function: Callable[[Any], Any], leaf: Any) -> Any:
    """`function(leaf)` if the condition holds, else the leaf; the condition may be traced."""
    if not isinstance(condition, jax.Array):
        return function(leaf) if condition else leaf
    result = function(leaf)
    if result is leaf:
        return leaf
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), result, leaf)


def size_before(transform: Transform, size: tuple[int, int] | None) -> tuple[int, int]:
    """The size that an inverse needs; ValueError if the caller did not give it."""
    if size is None:
        raise ValueError(f"the inverse of {transform!r} needs size=(height, width), that of the sample before it")
    height, width = size
    return int(height), int(width)


def _recorded(sample: Any, params: Any) -> RecordedDraws:
    """The draws of an earlier pass, as arrays of numpy for a sample on the host."""
    if not on_device(sample):
        params = jax.tree.map(lambda x: np.asarray(x) if isinstance(x, jax.Array) else x, params)
    return RecordedDraws(params)


def _new_draws(sample: Any, key: Any) -> NewDraws:
    if key is None and not on_device(sample):
        key = sample_random()  # those of the loader of the eager face, as in torch's scripts; else None
    return NewDraws(None if key is None else random_from(key, on_device(sample)))
