"""Collating: a list of samples becomes one batch.

Samples are pytrees. A class may say that it is one leaf of a sample although it holds several arrays: a **typed leaf**
is a pytree node whose class has two methods, as those of `vision.tv_tensors` do. This package knows nothing else of it.

- `extent()` returns the sizes that may differ between samples, by name: `{"height": 480, "width": 640}`. The names
  "height" and "width" are those of an image in pixels, and "length" is the number of entries of the first axis, such
  as boxes.
- `pad_to(extent, fill)` returns the leaf padded at its end to those sizes, `fill` being the value of new elements. If
  the leaf says which of its entries are valid, the new ones are not. The structure of the result must not depend on
  how much was padded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ._numbers import whole_number

__all__ = ["default_collate", "list_collate", "pad_collate"]

WAYS_OUT = (
    "make them equal in the transform, or pass collate_fn=list_collate, which keeps a list, collate_fn=pad_collate, "
    "which pads to one size, or a collate_fn of your own"
)


def default_collate(samples: Sequence[Any]) -> Any:
    """The samples, pytrees of one structure, as one pytree whose leaves have a new first axis: the batch.

    Arrays are stacked and keep their dtype. Python's numbers become what numpy makes of them: int64, float64, bool, as
    in torch; jax makes 32 bits of them where they reach a device, unless `jax_enable_x64` is on. Strings and bytes stay
    a list. Typed leaves (`vision.tv_tensors`) stay what they are, with stacked arrays. Unlike torch's, a batch of
    tuples is a tuple.

    >>> default_collate([(np.zeros((2, 2), np.float32), 3), (np.ones((2, 2), np.float32), 4)])[1]
    array([3, 4])

    Raises:
        ValueError: the samples differ in structure, shape, dtype or canvas size.
        TypeError: a leaf is neither an array nor a number, such as a PIL image.
    """
    paths, columns, structure = _columns(samples)
    return structure.unflatten([_batch(column, path) for column, path in zip(columns, paths, strict=True)])


def list_collate(samples: Sequence[Any]) -> Any:
    """The samples, pytrees of one structure, as one pytree with a list of the samples' leaves in place of each leaf.

    Nothing is converted, so the leaves may have any size and type.

    >>> images, labels = list_collate([(np.zeros((2, 3, 1)), 3), (np.zeros((5, 4, 1)), 4)])
    >>> [image.shape for image in images], labels
    ([(2, 3, 1), (5, 4, 1)], [3, 4])

    Raises:
        ValueError: the samples differ in structure.
    """
    _, columns, structure = _columns(samples)
    return structure.unflatten(columns)


def pad_collate(
    samples: Sequence[Any], *, size: tuple[int, int] | None = None, multiple: int = 1,
    lengths: Mapping[str, int] | None = None, fill: Mapping[str, float] | None = None,
) -> Any:
    """As `default_collate`, for samples of many sizes: leaves are padded at their end to one size.

    Images and masks get a border at the bottom and at the right; boxes and key points get the larger canvas, and
    further entries that `valid` marks as missing. An axis of a bare array is padded where samples differ in it. Without
    `size` and `lengths` the shapes change from batch to batch, and `jit` compiles for each: give both on an accelerator
    (`functools.partial(pad_collate, size=(800, 800), lengths={"boxes": 100, "labels": 100})`).

    Args:
        samples: pytrees of one structure.
        size: (height, width) of typed leaves; by default those of the largest sample.
        multiple: height and width of typed leaves are rounded up to a multiple of it.
        lengths: number of entries along the first axis, by the name of the leaf in the sample, which is the last dict
            key, field name or index that leads to it; by default those of the longest sample.
        fill: value of padded elements, by the name of the leaf; 0 for all others.

    Raises:
        ValueError: a sample is larger than asked for; or samples differ in structure, dtype or number of axes; or a
            size, `multiple` or length is no whole number or too small.
        TypeError: a leaf is neither an array nor a number, such as a PIL image.

    >>> images, labels = pad_collate([(np.zeros((2, 3, 1)), 7), (np.zeros((5, 2, 1)), 8)])
    >>> images.shape, labels
    ((2, 5, 3, 1), array([7, 8]))
    """
    multiple = whole_number("multiple", multiple, 1)
    if size is not None:
        size = whole_number("height in size", size[0], 1), whole_number("width in size", size[1], 1)
    lengths = {name: whole_number(f"lengths[{name!r}]", length, 0) for name, length in (lengths or {}).items()}
    paths, columns, structure = _columns(samples)
    names = [_name(path) for path in paths]
    unknown = {*lengths, *(fill or ())} - {*names}
    if unknown:
        raise ValueError(f"lengths and fill name leaves that no sample has: {sorted(unknown)}; there are {names}")
    padded = []
    for column, path, name in zip(columns, paths, names, strict=True):
        length, value = lengths.get(name), (fill or {}).get(name, 0)
        if _is_typed(column[0]):
            column = _pad_typed(column, path, size, multiple, length, value)
        elif all(isinstance(leaf, np.ndarray | jax.Array) and np.ndim(leaf) for leaf in column):
            column = _pad_arrays(column, path, length, value)
        padded.append(_batch(column, path))
    return structure.unflatten(padded)


def _pad_typed(
    leaves: list[Any], path: Any, size: tuple[int, int] | None, multiple: int, length: int | None, fill: float
) -> list[Any]:
    """Typed leaves, padded to one extent."""
    extents = [leaf.extent() for leaf in leaves]
    if len({tuple(extent) for extent in extents}) > 1:
        raise ValueError(f"{_where(path)} has different numbers of axes in one batch: {_kinds(leaves)}")
    largest = {name: max(extent[name] for extent in extents) for name in extents[0]}
    wanted = dict(zip(("height", "width"), size or ())) | ({} if length is None else {"length": length})
    target = largest | {name: number for name, number in wanted.items() if name in largest}
    for name in {"height", "width"} & target.keys():
        target[name] = -(-target[name] // multiple) * multiple
    for name, number in largest.items():
        _check_fits(path, name, number, target[name])
    return [leaf.pad_to(target, fill) for leaf in leaves]


def _pad_arrays(arrays: list[Any], path: Any, length: int | None, fill: float) -> list[np.ndarray]:
    """Bare arrays, padded to one shape."""
    if len({np.ndim(array) for array in arrays}) > 1:
        raise ValueError(f"{_where(path)} has different numbers of axes in one batch: {_kinds(arrays)}")
    target = [max(lengths) for lengths in zip(*(array.shape for array in arrays))]
    if length is not None:
        _check_fits(path, "length", target[0], length)
        target[0] = length
    return [
        np.pad(array, [(0, new - old) for new, old in zip(target, array.shape)], constant_values=fill)
        for array in map(np.asarray, arrays)
    ]


def _check_fits(path: Any, name: str, largest: int, target: int) -> None:
    if largest > target:
        raise ValueError(f"{_where(path)} has a {name} of {largest} in one sample, which does not fit into {target}")


def _columns(samples: Sequence[Any]) -> tuple[list[Any], list[list[Any]], Any]:
    """For every leaf its path and its values in all samples; and the structure that the samples have in common."""
    paths_and_leaves, structure = jax.tree_util.tree_flatten_with_path(samples[0], is_leaf=_is_typed)
    columns = [[leaf] for _, leaf in paths_and_leaves]
    for sample in samples[1:]:
        leaves, other = jax.tree.flatten(sample, is_leaf=_is_typed)
        if other != structure:
            raise ValueError(f"samples of one batch must have one structure; these have {structure} and {other}")
        for column, leaf in zip(columns, leaves, strict=True):
            column.append(leaf)
    return [path for path, _ in paths_and_leaves], columns, structure


def _batch(leaves: list[Any], path: Any) -> Any:
    """One leaf of every sample as one leaf with a batch axis."""
    if not any(map(_is_typed, leaves)):
        return _stack(leaves, _where(path))
    structure = jax.tree.structure(leaves[0])
    if any(jax.tree.structure(leaf) != structure for leaf in leaves):
        raise ValueError(f"{_where(path)} differs in more than its values in one batch: {_kinds(leaves)}; {WAYS_OUT}")
    parts = zip(*(jax.tree_util.tree_leaves_with_path(leaf) for leaf in leaves), strict=True)
    return structure.unflatten([
        _stack([part for _, part in column], _where((*path, *column[0][0]))) for column in parts
    ])


def _stack(leaves: list[Any], where: str) -> np.ndarray | list[str] | list[bytes]:
    """One leaf of every sample as one array."""
    if all(isinstance(leaf, str | bytes) for leaf in leaves):
        return leaves
    arrays = [_array(leaf, where) for leaf in leaves]
    for what in ("shape", "dtype"):
        different = {str(getattr(a, what)): None for a in arrays}  # a dict keeps the order of the samples
        if len(different) > 1:
            raise ValueError(
                f"{where} has {what}s {', '.join(different)} in one batch, and arrays of one {what} are needed; "
                f"{WAYS_OUT}"
            )
    return np.stack(arrays)


def _array(leaf: Any, where: str) -> np.ndarray:
    """The leaf as an array of numbers; raises TypeError if it is none."""
    if any(base.__module__.startswith("PIL.") for base in type(leaf).__mro__):  # asked without importing Pillow
        raise TypeError(f"{where} is a PIL image; end the transform with ToImage(), which makes an array of it")
    if isinstance(leaf, np.ndarray | np.generic | jax.Array | bool | int | float | complex):
        array = np.asarray(leaf)
        if array.dtype != object:
            return array
    raise TypeError(
        f"{where} is a {type(leaf).__name__}, neither an array of numbers nor a number; convert it in the transform, "
        f"or pass a collate_fn that says how to batch it"
    )


def _is_typed(node: Any) -> bool:
    return hasattr(type(node), "pad_to") and hasattr(type(node), "extent")


def _where(path: Any) -> str:
    return f"leaf sample{jax.tree_util.keystr(path)}"


def _name(path: Any) -> str:
    """The last key that leads to a leaf; "" for a sample that is one leaf."""
    return jax.tree_util.keystr(path[-1:], simple=True)


def _kinds(leaves: list[Any]) -> str:
    """What the leaves are, each kind once, in the order of the samples."""
    return ", ".join({f"{_summary(leaf)}": None for leaf in leaves})


def _summary(leaf: Any) -> str:
    return f"an array of shape {leaf.shape}" if isinstance(leaf, np.ndarray | jax.Array) else repr(leaf)
