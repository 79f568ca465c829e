"""Transforms that are made of other transforms."""

from collections.abc import Sequence
from typing import Any

from ._draws import Draws
from .sample import Leaf
from .transform import Transform

__all__ = ["Compose"]


class Compose(Transform):
    """Transforms one after the other.

    Each is given the sample that the one before returned, so it may add and drop leaves. Each gets a key of its own,
    derived from the key and its place in the sequence; a numpy Generator is used by one after the other.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> from funcvision.vision import transforms
    >>> augment = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()])
    >>> augment(jnp.zeros((32, 32, 3)), key=jax.random.key(0)).shape
    (32, 32, 3)

    Attributes:
        transforms: the members.

    Raises:
        ValueError: there are no members.
        TypeError: a member is no transform.
    """

    def __init__(self, transforms: Sequence[Transform]):
        self.transforms = tuple(transforms)
        if not self.transforms:
            raise ValueError("Compose needs at least one transform")
        for transform in self.transforms:
            if not isinstance(transform, Transform):
                raise TypeError(
                    f"Compose takes transforms, and {transform!r} is none: derive a class from Transform, whose "
                    f"apply(leaf, **params) calls it"
                )

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample after all members."""
        for transform, part in zip(self.transforms, draws.spawn(len(self.transforms)), strict=True):
            sample = transform.transform(sample, part)
        return sample

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """One leaf after all members, none of which may be random."""
        return self(leaf)

    def __repr__(self) -> str:
        lines = [repr(transform).replace("\n", "\n    ") for transform in self.transforms]
        return "\n    ".join([f"{type(self).__name__}(", *lines]) + "\n)"
