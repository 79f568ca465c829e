"""`torch.nn.functional` for Tensors, in torch's layouts: channels first, weights in torch's axis order.

    from funcvision.eager.nn import functional as F
    loss = F.cross_entropy(net(images), labels)

Each function lifts the one of its name in `funcvision.functional`. Without a key, functions that draw random numbers
use the generator; see `manual_seed`.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from ... import functional as pure
from .._lift import lift, run
from .._operation import Operation
from .._trace import pure as of_arrays
from ..random import next_key
from ..tensor import Tensor
from ._layouts import behind, channels_first, in_torchs_layout, layout_of

KEYS = ("key", "dropout_key")
NEED_VALUES = ("one_hot",)  # the shape of their result depends on the values of their input, so they are not compiled
WEIGHTED = tuple(f"conv{transposed}{n}d" for transposed in ("", "_transpose") for n in (1, 2, 3))
DEFAULTS = {"normalize": {"dim": 1}, "cosine_similarity": {"dim": 1}}  # where the classes of torch's default differ

__all__ = list(pure.__all__)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Callable[..., Any]:
    """Lifts a function at its first use."""
    if name.endswith("_") and name[:-1] in __all__:
        made = _in_place(globals().get(name[:-1]) or __getattr__(name[:-1]))
    elif name in __all__:
        made = _lifted(name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _lifted(name: str) -> Callable[..., Any]:
    function = getattr(pure, name)
    computed = ADAPTED.get(name) or channels_first(function, layout_of(name), 2 if name.startswith("max_unpool") else 1)
    if name in WEIGHTED:
        computed = _with_kernel(computed, transposed="transpose" in name)
    operation = Operation(computed, name=name, jit=name not in NEED_VALUES)
    parameters = inspect.signature(function).parameters
    keys = [p.name for p in parameters.values() if p.name in KEYS and p.kind is p.KEYWORD_ONLY]
    defaults = DEFAULTS.get(name, {})
    first = next(iter(parameters))

    @functools.wraps(function)
    def lifted(*args: Any, **kwargs: Any) -> Any:
        writes = kwargs.pop("inplace", False)
        for key in keys:
            if kwargs.get(key) is None:
                kwargs[key] = next_key()
        for option, value in defaults.items():
            if option not in kwargs and len(args) <= list(parameters).index(option):
                kwargs[option] = value
        if "input" in kwargs and first != "input":
            args, kwargs = (kwargs["input"], *args), {key: value for key, value in kwargs.items() if key != "input"}
        try:
            output = run(operation, args, kwargs)[0]
        except ValueError as error:
            raise in_torchs_layout(error, layout_of(name)) from error
        return args[0]._become(output) if writes else output

    return lifted


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def changed(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return input._become(function(input, *args, **kwargs))

    return changed


def _with_kernel(function: Callable[..., Any], transposed: bool) -> Callable[..., Any]:
    """A convolution with a kernel in torch's order: [out, in, ...], or [in, out, ...] if it is transposed."""

    @functools.wraps(function)
    def convolved(x: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
        first, second = (0, 1) if transposed else (1, 0)
        return function(x, weight.transpose(*range(2, weight.ndim), first, second), *args, **kwargs)

    return convolved


# Functions whose arguments differ from those of the pure face


def _linear_cross_entropy(input: Any, linear_weight: Any, target: Any, linear_bias: Any = None, **options: Any) -> Any:
    """`linear_weight` is [classes, *sizes, in], and `linear_bias` is [classes, *sizes]."""
    weight = jnp.moveaxis(jnp.moveaxis(linear_weight, -1, 0), 1, -1)
    bias = None if linear_bias is None else jnp.moveaxis(linear_bias, 0, -1)
    return pure.linear_cross_entropy(input, weight, behind(input, target), linear_bias=bias, **options)


def _multi_head_attention_forward(*args: Any, **kwargs: Any) -> Any:
    """Weights are [out, in]."""
    bound = inspect.signature(pure.multi_head_attention_forward).bind(*args, **kwargs)
    for name, value in bound.arguments.items():
        if name.endswith("_proj_weight") and value is not None and name != "use_separate_proj_weight":
            bound.arguments[name] = value.T
    return pure.multi_head_attention_forward(*bound.args, **bound.kwargs)


def _triplet_margin_with_distance_loss(*args: Any, distance_function: Any = None, **options: Any) -> Any:
    """`distance_function` is a function of Tensors."""
    distance = None if distance_function is None else of_arrays(distance_function)
    return pure.triplet_margin_with_distance_loss(*args, distance_function=distance, **options)


ADAPTED = {
    "linear_cross_entropy": _linear_cross_entropy, "multi_head_attention_forward": _multi_head_attention_forward,
    "triplet_margin_with_distance_loss": _triplet_margin_with_distance_loss,
}  # fmt: skip


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return pure.linear(x, weight.T, bias)


linear = lift(_linear)
linear.__doc__ = "`input @ weight.T + bias`, with a weight of shape [out, in], or [in] for one output."


def _pad(x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    if mode == "constant":
        sides = [(0, 0)] * x.ndim
        for place in range(len(pad) // 2):
            sides[-1 - place] = pad[2 * place], pad[2 * place + 1]
        ends = zip(sides, x.shape, strict=True)
        kept = tuple(slice(max(0, -low), size - max(0, -high)) for (low, high), size in ends)
        grown = [(max(0, low), max(0, high)) for low, high in sides]
        return jnp.pad(x[kept], grown, constant_values=jnp.asarray(value or 0, x.dtype))
    return channels_first(pure.pad, len(pad) // 2)(x, pad, mode)


_lifted_pad = lift(_pad)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pads the last axes, the last one first: (left, right, top, bottom, ...). Negative numbers crop."""
    if mode == "constant" and len(pad) > 2 * input.ndim:
        raise RuntimeError(f"pad has {len(pad)} numbers, two an axis, and the Tensor has {input.ndim} axes")
    return _lifted_pad(input, tuple(pad), mode, value)


def _affine_grid(theta: Any, size: Sequence[int], align_corners: bool = False) -> Any:
    return pure.affine_grid(theta, (size[0], *size[2:], size[1]), align_corners)


_lifted_affine_grid = lift(_affine_grid)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Sampling positions for `grid_sample`; `size` is [batch, channels, (depth,) height, width]."""
    return _lifted_affine_grid(theta, tuple(size), bool(align_corners))


def _normed(name: str) -> Operation:
    return Operation(channels_first(getattr(pure, name), "second"), name=name, has_aux=True)


_batch_norm, _instance_norm = _normed("batch_norm"), _normed("instance_norm")


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:
    """Normalises each channel (axis 1) over all others. In training it updates the running statistics in place."""
    args = input, running_mean, running_var, weight, bias, training, momentum, eps
    return _with_statistics(_batch_norm, args, training)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:
    """Normalises each channel of each sample. With `use_input_stats` it updates the running statistics in place."""
    args = input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    return _with_statistics(_instance_norm, args, use_input_stats)


def _with_statistics(operation: Operation, args: tuple[Any, ...], updates: bool) -> Tensor:
    output, statistics = run(operation, args, {})
    if updates and statistics is not None:
        for tensor, array in zip(args[1:3], statistics, strict=True):
            if tensor is not None:
                tensor.array = array
    return output


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """Softmax over an axis. Without `dim` it is axis 0 of Tensors with 0, 1 or 3 axes, and axis 1 of others."""
    return (input if dtype is None else input.to(dtype)).softmax(_implied(input, dim))


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`."""
    return (input if dtype is None else input.to(dtype)).log_softmax(_implied(input, dim))


def _implied(input: Tensor, dim: int | None) -> int:
    return dim if dim is not None else 0 if input.ndim in (0, 1, 3) else 1
