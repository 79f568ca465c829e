"""Functions that copy where others view: `narrow_copy` is `narrow`, and its result shares nothing with its argument."""

from collections.abc import Callable
from typing import Any

import jax

from ._complex import view_as_complex, view_as_real
from .tensor import Tensor

__all__ = [
    "alias_copy", "detach_copy", "diagonal_copy", "expand_copy", "narrow_copy", "permute_copy", "select_copy",
    "slice_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy", "t_copy", "transpose_copy", "unbind_copy",
    "unfold_copy", "unsqueeze_copy", "view_as_complex_copy", "view_as_real_copy", "view_copy",
]  # fmt: skip


def _copying(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def copied(input: Any, *args: Any, **kwargs: Any) -> Any:
        return jax.tree.map(Tensor.clone, function(input, *args, **kwargs))

    copied.__name__ = copied.__qualname__ = name
    copied.__doc__ = f"`{name.removesuffix('_copy')}`, whose result shares no elements with its argument."
    return copied


def _slice(input: Any, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Any:
    return input[(*(slice(None),) * (dim % input.ndim), slice(start, end, step))]


alias_copy = _copying(lambda x: x, "alias_copy")
detach_copy = _copying(Tensor.detach, "detach_copy")
diagonal_copy, expand_copy = _copying(Tensor.diagonal, "diagonal_copy"), _copying(Tensor.expand, "expand_copy")
narrow_copy, permute_copy = _copying(Tensor.narrow, "narrow_copy"), _copying(Tensor.permute, "permute_copy")
select_copy, slice_copy = _copying(Tensor.select, "select_copy"), _copying(_slice, "slice_copy")
split_copy, squeeze_copy = _copying(Tensor.split, "split_copy"), _copying(Tensor.squeeze, "squeeze_copy")
split_with_sizes_copy = _copying(Tensor.split_with_sizes, "split_with_sizes_copy")
t_copy, transpose_copy = _copying(Tensor.t, "t_copy"), _copying(Tensor.transpose, "transpose_copy")
unbind_copy, unfold_copy = _copying(Tensor.unbind, "unbind_copy"), _copying(Tensor.unfold, "unfold_copy")
unsqueeze_copy, view_copy = _copying(Tensor.unsqueeze, "unsqueeze_copy"), _copying(Tensor.view, "view_copy")
view_as_real_copy = _copying(view_as_real, "view_as_real_copy")
view_as_complex_copy = _copying(view_as_complex, "view_as_complex_copy")
