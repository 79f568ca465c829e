"""Collating: a list of samples becomes one batch."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

__all__ = ["default_collate"]


def default_collate(samples: Sequence[Any]) -> Any:
    """The samples, pytrees of one structure, as one pytree whose leaves have a new first axis: the batch.

    Arrays are stacked and keep their dtype. Python's numbers become what numpy makes of them: int64, float64, bool, as
    in torch; jax makes 32 bits of them where they reach a device, unless `jax_enable_x64` is on. Strings and bytes stay
    a list. Unlike torch's, a batch of tuples is a tuple.

    >>> default_collate([(np.zeros((2, 2), np.float32), 3), (np.ones((2, 2), np.float32), 4)])[1]
    array([3, 4])

    Raises ValueError if the samples differ in structure, shape or dtype, and TypeError for a leaf that is neither an
    array nor a number, such as a PIL image.
    """
    paths_and_leaves, structure = jax.tree_util.tree_flatten_with_path(samples[0])
    columns = [[leaf] for _, leaf in paths_and_leaves]
    for sample in samples[1:]:
        leaves, other = jax.tree.flatten(sample)
        if other != structure:
            raise ValueError(f"samples of one batch must have one structure; these have {structure} and {other}")
        for column, leaf in zip(columns, leaves, strict=True):
            column.append(leaf)
    paths = [jax.tree_util.keystr(path) for path, _ in paths_and_leaves]
    return structure.unflatten([_stack(column, path) for column, path in zip(columns, paths, strict=True)])


def _stack(leaves: list[Any], path: str) -> np.ndarray | list[str] | list[bytes]:
    """One leaf of every sample as one array."""
    where = f"leaf sample{path}"
    if all(isinstance(leaf, str | bytes) for leaf in leaves):
        return leaves
    arrays = [_array(leaf, where) for leaf in leaves]
    for what in ("shape", "dtype"):
        different = {str(getattr(a, what)): None for a in arrays}  # a dict keeps the order of the samples
        if len(different) > 1:
            raise ValueError(
                f"{where} has {what}s {', '.join(different)} in one batch, and arrays of one {what} are needed; "
                f"make them equal in the transform, or pass a collate_fn that says how to batch them"
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
