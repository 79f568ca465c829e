"""Transforms that are made of other transforms, or of a function."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
from jax import lax
from jax.core import Tracer

from ..tv_tensors import TVTensor
from ._applied import check_probability
from ._draws import Draws, NewDraws, RecordedDraws
from ._random import Random
from ._tensors import TensorImage
from .sample import Leaf, called, common_size, map_leaves, transformed_leaves
from .transform import Transform

__all__ = ["Compose", "Identity", "Lambda", "RandomApply", "RandomChoice", "RandomOrder", "RepeatedAugment"]


class Identity(Transform):
    """Leaves every sample as it is."""

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """The leaf itself."""
        return leaf

    def __repr__(self) -> str:
        return "Identity()"


class Lambda(Transform):
    """Calls a function for every leaf of a sample, labels and bare arrays too, or for the leaves of some types only.

    >>> import numpy as np
    >>> Lambda(lambda image: image + 1)(np.zeros((1, 1, 1)))
    array([[[1.]]])

    Args:
        lambd: a function of one leaf; in jit it must be one that can be traced.
        types: the types of the leaves that it is called for; without them, all.

    Raises:
        TypeError: `lambd` is no function, or one of the types is no type.
    """

    def __init__(self, lambd: Callable[[Any], Any], *types: type):
        if not callable(lambd):
            raise TypeError(f"Lambda takes a function of one leaf, and this is a {type(lambd).__name__}")
        if not all(isinstance(kind, type) for kind in types):
            raise TypeError(f"Lambda takes types after the function, and got {types}")
        self.lambd, self.types = lambd, types or (object,)

    def __call__(self, sample: Any, *, key: Any = None) -> Any:
        """What the function makes of the leaves of a sample, which need not have an image: labels, for instance."""
        image = isinstance(sample, np.ndarray | jax.Array) or transformed_leaves(sample)
        return super().__call__(sample, key=key) if image else self.transform(sample, NewDraws(None))

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """What the function makes of the leaf, if it is of one of the types."""
        return self.lambd(leaf) if isinstance(leaf, self.types) else leaf

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample with the function applied to leaves of all kinds."""
        def one(leaf: Any) -> Any:
            if isinstance(leaf, TensorImage):
                return called(self.apply, leaf)
            return map_leaves(self.apply, leaf) if transformed_leaves(leaf) else self.apply(leaf)

        return jax.tree.map(one, sample, is_leaf=lambda node: isinstance(node, TVTensor))

    def __repr__(self) -> str:
        name = getattr(self.lambd, "__name__", repr(self.lambd))
        return f"Lambda({', '.join([name, *(kind.__name__ for kind in self.types)])})"


class _Call(Transform):
    """A function of a sample as a member of a container. It gets, and returns, what the caller of the container would.

    Args:
        function: the function.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function

    def transform(self, sample: Any, draws: Draws) -> Any:
        """What the function makes of the sample."""
        return called(self.function, sample)

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


class _Container(Transform):
    """A transform with members, each of which has draws of its own, by its place among the members."""

    def __init__(self, transforms: Sequence[Transform | Callable[[Any], Any]]):
        name = type(self).__name__
        given = tuple(transforms)
        if not given:
            raise ValueError(f"{name} needs at least one transform")
        for transform in given:
            if isinstance(transform, type) or not callable(transform):
                raise TypeError(f"{name} takes transforms and functions of a sample, and {transform!r} is neither")
        self.transforms = tuple(one if isinstance(one, Transform) else _Call(one) for one in given)

    def apply(self, leaf: Leaf, **params: Any) -> Any:
        """One leaf after the container, in which nothing may be random."""
        return self(leaf)

    def __repr__(self) -> str:
        lines = [repr(transform).replace("\n", "\n    ") for transform in self.transforms]
        return "\n    ".join([f"{type(self).__name__}(", *lines]) + "\n)"


class Compose(_Container):
    """Transforms one after the other.

    Each is given the sample that the one before returned, so it may add and drop leaves. A member may also be a plain
    function of the sample. Each transform gets a key of its own,
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

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample after all members."""
        return _in_sequence(self.transforms, sample, draws.spawn(len(self.transforms)))

    def undo(self, sample: Any, draws: Draws, size: tuple[int, int] | None) -> Any:
        """The sample moved back through all members, the last one first."""
        return _undone(self, self.transforms, sample, draws.spawn(len(self.transforms)), size)


class RandomApply(_Container):
    """Transforms one after the other, with probability `p`; else the sample stays as it is.

    In a compiled function the members must keep the shape and the dtype of every leaf.

    Args:
        transforms: the members.
        p: probability that all of them are applied.

    Raises:
        ValueError: `p` is no probability, or there are no members.
        TypeError: a member is no transform.
    """

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5):
        super().__init__(transforms)
        check_probability(p)
        self.p = p

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """Whether the members are applied."""
        return {"applied": random.uniform(0, 1) < self.p}

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample after all members, or as it is."""
        applied = draws.draw(self, sample)["applied"]
        members = [Compose(self.transforms)]
        if isinstance(applied, jax.Array):
            functions = [lambda sample: sample, *_bound(members, _drawn(members, sample, draws))]
            return _choose(self, applied.astype(jnp.int32), functions, sample)
        return _in_sequence(members, sample, draws.spawn(1)) if applied else sample

    def undo(self, sample: Any, draws: Draws, size: tuple[int, int] | None) -> Any:
        """The sample moved back through all members, if they were applied; not where that is traced."""
        applied = _concrete(self, draws.draw(self, sample)["applied"])
        return Compose(self.transforms).undo(sample, draws.spawn(1)[0], size) if applied else sample


class RandomChoice(_Container):
    """One of its transforms, chosen at random.

    In a compiled function all members must keep the shape and the dtype of every leaf. There, `vmap` and `batch` run
    all members for each sample.

    Args:
        transforms: the members.
        p: a weight for each member, which need not sum to 1; None for equal ones.

    Raises:
        ValueError: not one weight for each member, a negative weight, or a sum of zero; or there are no members.
        TypeError: a member is no transform.
    """

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None):
        super().__init__(transforms)
        weights = np.ones(len(self.transforms)) if p is None else np.asarray(p, np.float64)
        if weights.shape != (len(self.transforms),):
            raise ValueError(f"p={p!r} must hold one weight for each of the {len(self.transforms)} transforms")
        if not np.all(weights >= 0) or not 0 < weights.sum() < np.inf:
            raise ValueError(f"p={p!r} must hold weights of zero or more, and not only zeros")
        self.p = (weights / weights.sum()).tolist()

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The place of the chosen member."""
        return {"idx": (random.uniform(0, 1) >= np.cumsum(self.p[:-1], dtype=np.float32)).sum()}

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample after the chosen member."""
        index = draws.draw(self, sample)["idx"]
        if isinstance(index, jax.Array):
            members = _bound(self.transforms, _drawn(self.transforms, sample, draws))
            return _choose(self, index, members, sample)
        return _bound(self.transforms, draws.spawn(len(self.transforms)))[int(index)](sample)

    def undo(self, sample: Any, draws: Draws, size: tuple[int, int] | None) -> Any:
        """The sample moved back through the chosen member; not where the choice is traced."""
        index = int(_concrete(self, draws.draw(self, sample)["idx"]))
        return self.transforms[index].undo(sample, draws.spawn(len(self.transforms))[index], size)


class RandomOrder(_Container):
    """All of its transforms, in random order.

    In a compiled function all members must keep the shape and the dtype of every leaf. There, `vmap` and `batch` run
    every member at every place.

    Args:
        transforms: the members.

    Raises:
        ValueError: there are no members.
        TypeError: a member is no transform.
    """

    def draw(self, random: Random, sample: Any) -> dict[str, Any]:
        """The order."""
        return {"permutation": random.permutation(len(self.transforms))}

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The sample after all members."""
        order = draws.draw(self, sample)["permutation"]
        if isinstance(order, jax.Array):
            members = _bound(self.transforms, _drawn(self.transforms, sample, draws))
            for index in order:
                sample = _choose(self, index, members, sample)
            return sample
        members = _bound(self.transforms, draws.spawn(len(self.transforms)))
        for index in order:
            sample = members[int(index)](sample)
        return sample

    def undo(self, sample: Any, draws: Draws, size: tuple[int, int] | None) -> Any:
        """The sample moved back through all members, the last one first; not where the order is traced."""
        order = [int(index) for index in _concrete(self, draws.draw(self, sample)["permutation"])]
        parts = draws.spawn(len(self.transforms))
        members = [self.transforms[index] for index in order]
        return _undone(self, members, sample, [parts[index] for index in order], size)


class RepeatedAugment(_Container):
    """Several augmented copies of one sample, stacked along a new first axis (Hoffer et al. 2020).

    "Augment your batch", https://arxiv.org/abs/1901.09335. Copy i has draws of its own. The transform must give all
    copies the same shapes. Labels and other leaves that are arrays or numbers are stacked too; a PIL image must have
    become an array, and anything else, such as a string, must be equal in all copies and stays single.

    >>> augment = RepeatedAugment(Identity(), 3)
    >>> augment(np.zeros((4, 5, 1))).shape
    (3, 4, 5, 1)

    Args:
        transform: what makes a copy.
        num_repeats: how many copies.

    Raises:
        ValueError: `num_repeats` is less than 1; when called, if copies differ in shape.
        TypeError: `transform` is no transform; when called, if a copy has a PIL image.
    """

    def __init__(self, transform: Transform, num_repeats: int):
        super().__init__([transform])
        if num_repeats < 1:
            raise ValueError(f"num_repeats={num_repeats} must be at least 1")
        self.num_repeats = num_repeats

    def transform(self, sample: Any, draws: Draws) -> Any:
        """The copies, stacked."""
        copies = [self.transforms[0].transform(sample, part) for part in draws.spawn(self.num_repeats)]
        structures = {jax.tree.structure(copy) for copy in copies}
        if len(structures) > 1:
            raise ValueError(
                f"RepeatedAugment stacks copies of one shape and structure, and {self.transforms[0]!r} gave "
                f"{', '.join(map(str, structures))}"
            )
        return jax.tree.map(_stacked, *copies)

    def __repr__(self) -> str:
        return f"RepeatedAugment({self.transforms[0]!r}, num_repeats={self.num_repeats})"


def _stacked(*leaves: Any) -> Any:
    """Arrays and numbers of all copies along a new first axis."""
    if isinstance(leaves[0], PIL.Image.Image):
        raise TypeError("RepeatedAugment stacks arrays and got a PIL image: put ToImage() into its transform")
    if not isinstance(leaves[0], np.ndarray | np.generic | jax.Array | int | float):
        if any(leaf != leaves[0] for leaf in leaves):
            raise TypeError(f"RepeatedAugment cannot stack {type(leaves[0]).__name__} leaves that differ: {leaves}")
        return leaves[0]
    shapes = {np.shape(leaf): None for leaf in leaves}
    if len(shapes) > 1:
        raise ValueError(
            f"RepeatedAugment stacks copies of one shape, and these have {', '.join(map(str, shapes))}: let the "
            f"transform give every copy one size"
        )
    return jnp.stack(leaves) if isinstance(leaves[0], jax.Array) else np.stack(leaves)


def _concrete(container: Transform, value: Any) -> Any:
    """The value that was drawn; ValueError if it is traced."""
    if isinstance(value, Tracer):
        raise ValueError(
            f"the inverse of {container!r} cannot be compiled, since the params say which members are undone: call it "
            f"outside jit and vmap"
        )
    return value


def _undone(
    container: Transform, transforms: Sequence[Transform], sample: Any, parts: Sequence[Draws],
    size: tuple[int, int] | None,
) -> Any:
    """The sample moved back through transforms that were applied one after the other."""
    after, sizes = common_size(sample), []
    current = after if size is None else size
    for member, part in zip(transforms, parts, strict=True):
        sizes.append(current)
        current = member.size_after(current, part)
    if current != after:
        raise ValueError(
            f"the sample has size {after}, and {container!r} makes {current} of {sizes[0]}: give size=(height, width), "
            f"that of the sample before it"
        )
    for member, part, before in zip(reversed(transforms), reversed(parts), reversed(sizes)):
        sample = member.undo(sample, part, before)
    return sample


def _in_sequence(transforms: Sequence[Transform], sample: Any, parts: Sequence[Draws]) -> Any:
    """The sample after all members, each with its own draws."""
    for member in _bound(transforms, parts):
        sample = member(sample)
    return sample


def _bound(transforms: Sequence[Transform], parts: Sequence[Draws]) -> list[Callable[[Any], Any]]:
    """The members as functions of a sample."""
    return [
        lambda sample, transform=transform, part=part: transform.transform(sample, part)
        for transform, part in zip(transforms, parts, strict=True)
    ]


def _drawn(transforms: Sequence[Transform], sample: Any, draws: Draws) -> list[RecordedDraws]:
    """The draws of all members of a container, made before the choice between them.

    What is drawn inside a branch of `lax.switch` could not be recorded. The results of the members are not used, and
    jit removes what computes them.
    """
    parts = draws.spawn(len(transforms))
    for member in _bound(transforms, parts):
        member(sample)
    return [RecordedDraws(part.record) for part in parts]


def _choose(container: Transform, index: jax.Array, functions: list[Callable[[Any], Any]], sample: Any) -> Any:
    """`functions[index](sample)`, where the index may be traced.

    Raises:
        ValueError: the index is traced and a function changes more of the sample than the values of its jax arrays.
    """
    if not isinstance(index, Tracer):
        return functions[int(index)](sample)
    leaves, structure = jax.tree.flatten(sample)

    def arrays_after(function: Callable[[Any], Any]) -> list[jax.Array]:
        new_leaves, new_structure = jax.tree.flatten(function(sample))
        kept = new_structure == structure and all(map(_same_form, new_leaves, leaves))
        if not kept:
            raise ValueError(
                f"in a compiled function the members of {type(container).__name__} must keep the structure of the "
                f"sample and the shape and dtype of every leaf, and one of {container!r} makes {new_leaves} of {leaves}"
            )
        return [leaf for leaf in new_leaves if isinstance(leaf, jax.Array)]

    arrays = iter(lax.switch(index, [lambda function=function: arrays_after(function) for function in functions]))
    return jax.tree.unflatten(structure, [next(arrays) if isinstance(leaf, jax.Array) else leaf for leaf in leaves])


def _same_form(new: Any, old: Any) -> bool:
    """Whether two leaves are the same object, or jax arrays of one shape and dtype."""
    if new is old:
        return True
    arrays = isinstance(new, jax.Array) and isinstance(old, jax.Array)
    return arrays and (new.shape, new.dtype) == (old.shape, old.dtype)
