"""How convolutions are handed to XLA: three primitives, lowered by platform and shape here and nowhere else.

A convolution is linear in the image and in the kernel. So its derivatives are two more bilinear operations, and
the derivatives of those are again among the three:

    ==================  =====================  ==================  ===================
    operation           takes                  first derivative    second derivative
    ==================  =====================  ==================  ===================
    `value`             image, kernel          `input_gradient`    `weight_gradient`
    `input_gradient`    output, kernel         `value`             `weight_gradient`
    `weight_gradient`   image, output          `input_gradient`    `value`
    ==================  =====================  ==================  ===================

As primitives each has a lowering of its own where a custom derivative would lose forward mode or `vmap`: on a CPU that
of `_conv_cpu`, which keeps out of XLA's slow loops, and elsewhere `lax.conv_general_dilated` and its transposes. The
platform is that of the compilation, not of the tracing. A transposed convolution is an `input_gradient`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .._mesh import has_typed_axes
from . import cpu, xla
from .geometry import Geometry, Shape

__all__ = ["convolve", "convolve_transposed"]


def convolve(
    x: jax.Array, weight: jax.Array, strides: tuple[int, ...], padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...], groups: int,
) -> jax.Array:
    """[N, *spatial, in] with [*kernel, in/groups, out]."""
    geometry = Geometry(x.shape[1:-1], weight.shape[:-2], strides, padding, dilation, groups)
    return (xla.value if has_typed_axes() else _bind(_value))(x, weight, geometry=geometry)


def convolve_transposed(
    x: jax.Array, weight: jax.Array, strides: tuple[int, ...], padding: tuple[int, ...],
    output_padding: tuple[int, ...], dilation: tuple[int, ...], groups: int,
) -> jax.Array:
    """[N, *spatial, in] with [*kernel, in, out/groups]."""
    kernel = weight.shape[:-2]
    pads = tuple((p, p - extra) for p, extra in zip(padding, output_padding, strict=True))
    size = tuple(
        (n - 1) * s - low - high + d * (k - 1) + 1
        for n, s, (low, high), d, k in zip(x.shape[1:-1], strides, pads, dilation, kernel, strict=True)
    )
    geometry = Geometry(size, kernel, strides, pads, dilation, groups)
    function = xla.input_gradient if has_typed_axes() else _bind(_input_gradient)
    return function(x, weight.swapaxes(-1, -2), geometry=geometry)


def _bind(primitive: Primitive) -> Callable[..., jax.Array]:
    """The precision that is asked for in this context goes along, because the lowering comes later."""
    precision = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    return functools.partial(primitive.bind, precision=precision)


def _batched(primitive: Primitive, operands: Any, axes: Any, geometry: Geometry, precision: Any) -> Any:
    """Under vmap more images where the kernel is shared; otherwise more groups, one for each element."""
    (a, b), (axis_a, axis_b) = operands, axes
    count = a.shape[axis_a] if axis_a is not None else b.shape[axis_b]
    if axis_a is not None and axis_b is None and primitive is not _weight_gradient:
        images = jnp.moveaxis(a, axis_a, 0)
        y = primitive.bind(images.reshape(-1, *images.shape[2:]), b, geometry=geometry, precision=precision)
        return y.reshape(count, -1, *y.shape[1:]), 0
    shared = axis_a is None and primitive is _value and geometry.groups == 1  # more output channels of the same image
    if not shared:
        geometry, a = geometry._replace(groups=geometry.groups * count), _beside(a, axis_a, count)
    y = primitive.bind(a, _beside(b, axis_b, count), geometry=geometry, precision=precision)
    return y.reshape(*y.shape[:-1], count, y.shape[-1] // count), y.ndim - 1


def _beside(x: jax.Array, axis: int | None, count: int) -> jax.Array:
    """The elements of the mapped axis as groups of the last axis."""
    each = jnp.moveaxis(x, axis, -2) if axis is not None else jnp.broadcast_to(
        jnp.expand_dims(x, -2), (*x.shape[:-1], count, x.shape[-1]))
    return each.reshape(*each.shape[:-2], -1)


def _primitive(name: str, shape: Callable[[Shape, Shape, Geometry], Shape]) -> Primitive:
    """A bilinear operation, whose lowerings are the functions of this name in `_conv_lax` and `_conv_cpu`."""
    primitive = Primitive(f"conv_{name}")
    lowered = {None: getattr(xla, name), "cpu": getattr(cpu, name)}
    for platform, function in lowered.items():
        mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False), platform=platform)
    batching.primitive_batchers[primitive] = functools.partial(_batched, primitive)

    @primitive.def_abstract_eval
    def _(a: Any, b: Any, geometry: Geometry, precision: Any) -> Any:
        return a.update(shape=shape(a.shape, b.shape, geometry), weak_type=False)

    @functools.lru_cache(4096)  # outside of jit: compiled once for each geometry, not traced at every call
    def compiled(**static: Any) -> Callable[..., jax.Array]:
        return jax.jit(functools.partial(primitive.bind, **static))

    @primitive.def_impl
    def _(a: jax.Array, b: jax.Array, **static: Any) -> jax.Array:
        return compiled(**static)(a, b)

    return primitive


_value = _primitive("value", lambda x, w, g: (x[0], *g.out, w[-1]))
_input_gradient = _primitive("input_gradient", lambda y, w, g: (y[0], *g.size, w[-2] * g.groups))
_weight_gradient = _primitive("weight_gradient", lambda x, y, g: (*g.kernel, x[-1] // g.groups, y[-1]))

# What is given: the cotangent, then the two operands, of which the one to be differentiated by is a placeholder.
ad.defbilinear(
    _value,
    lambda ct, x, w, **static: _input_gradient.bind(ct, w, **static),
    lambda ct, x, w, **static: _weight_gradient.bind(x, ct, **static),
)
ad.defbilinear(
    _input_gradient,
    lambda ct, y, w, **static: _value.bind(ct, w, **static),
    lambda ct, y, w, **static: _weight_gradient.bind(ct, y, **static),
)
ad.defbilinear(
    _weight_gradient,
    lambda ct, x, y, **static: _input_gradient.bind(y, ct, **static),
    lambda ct, x, y, **static: _value.bind(x, ct, **static),
)
