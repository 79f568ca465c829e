"""Transforms that are applied with a probability."""

from typing import Any

from ._random import Random
from .sample import Leaf
from .transform import Transform, where

__all__ = ["RandomlyApplied", "check_probability"]


class RandomlyApplied(Transform):
    """A transform that changes a whole sample with probability `p`, and else leaves it as it is.

    A subclass has a field `p` and overrides `change`.
    """

    p: float

    def __post_init__(self) -> None:
        check_probability(self.p)

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """Whether the sample is changed."""
        return {"applied": random.uniform(0, 1) < self.p}

    def apply(self, leaf: Leaf, *, applied: Any, **params: Any) -> Any:
        """The leaf, changed if `applied`."""
        return where(applied, self.change, leaf)

    def change(self, leaf: Leaf) -> Any:
        """The changed leaf, of the same shape and dtype."""
        raise NotImplementedError(f"{type(self).__name__} does not define change")


def check_probability(p: float) -> None:
    """Raises ValueError unless `p` is a number from 0 to 1."""
    if not 0 <= p <= 1:
        raise ValueError(f"p={p} is no probability: give a number from 0 to 1")
