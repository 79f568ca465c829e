"""The parameters of the transforms in one pass over a sample: drawn from a key, or taken from a record."""

import abc
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from ._random import Random

__all__ = ["Draws", "NewDraws", "RecordedDraws"]

PARTS = "transforms"
"""Where the record of a container that draws numbers of its own keeps the records of its members."""


class Drawing(Protocol):
    """What is asked of a transform here."""

    @property
    def is_random(self) -> bool: ...

    def draw(self, random: Random, sample: Any) -> dict[str, Any]: ...


class Draws(abc.ABC):
    """Gives every transform of a pass its parameters.

    The record of a pass is a plain pytree. For a transform it is what `draw` returned, `{}` by default; for a
    container the tuple of its members' records; for a container that draws as well, its own dict with that tuple under
    "transforms".
    """

    @abc.abstractmethod
    def draw(self, transform: Drawing, sample: Any) -> dict[str, Any]:
        """The parameters of this transform for the whole sample."""

    @abc.abstractmethod
    def spawn(self, count: int) -> "list[Draws]":
        """The draws of the members of a container, which are independent of each other."""

    @property
    @abc.abstractmethod
    def record(self) -> Any:
        """What this pass draws, as a plain pytree; complete at its end."""


class NewDraws(Draws):
    """Draws parameters from a source of random numbers, and records them.

    Args:
        random: the source, or None if the caller gave no key.
    """

    def __init__(self, random: Random | None):
        self._random = random
        self._own: dict[str, Any] = {}
        self._parts: list[NewDraws] | None = None

    def draw(self, transform: Drawing, sample: Any) -> dict[str, Any]:
        """What the transform draws; ValueError if it needs a key and there is none."""
        if not transform.is_random:
            return {}
        if self._random is None:
            raise ValueError(
                f"{transform!r} is random and got no key: call it with key=jax.random.key(0) on jax arrays, with key=0 "
                f"or a numpy Generator on PIL images and numpy arrays"
            )
        self._own = transform.draw(self._random, sample)
        return self._own

    def spawn(self, count: int) -> list[Draws]:
        """The draws of the members, each with a source of its own."""
        random = self._random
        self._parts = [NewDraws(None if random is None else random.spawn()) for _ in range(count)]
        return [*self._parts]

    @property
    def record(self) -> Any:
        """What was drawn in this pass, as a plain pytree."""
        if self._parts is None:
            return self._own
        parts = tuple(part.record for part in self._parts)
        return {**self._own, PARTS: parts} if self._own else parts


class RecordedDraws(Draws):
    """Gives the parameters of an earlier pass again.

    Args:
        record: what `NewDraws.record` was in that pass.
    """

    def __init__(self, record: Any):
        self._record = record

    def draw(self, transform: Drawing, sample: Any) -> dict[str, Any]:
        """What the transform drew; ValueError if the record is that of a different transform."""
        own = self._record if isinstance(self._record, dict) else {}
        if transform.is_random and not own:
            raise ValueError(f"these params hold nothing for {transform!r}: replay the params of the same transform")
        return {name: _joined(value) for name, value in own.items() if name != PARTS}

    def spawn(self, count: int) -> list[Draws]:
        """The records of the members; ValueError if the record is that of a different container."""
        parts = self._record.get(PARTS) if isinstance(self._record, dict) else self._record
        if not isinstance(parts, tuple | list) or len(parts) != count:
            raise ValueError(
                f"these params are not of a container of {count} transforms: replay the params of the same transform, "
                f"and not {self._record!r}"
            )
        return [RecordedDraws(part) for part in parts]

    @property
    def record(self) -> Any:
        """What was drawn in the earlier pass."""
        return self._record


def _joined(value: Any) -> Any:
    """A list of jax numbers as one array. jit makes such a list of an array that went through JSON."""
    traced = isinstance(value, list) and any(isinstance(item, jax.Array) for item in jax.tree.leaves(value))
    return jnp.asarray(value) if traced else value
