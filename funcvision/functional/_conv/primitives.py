"""Three JAX primitives: a convolution and its gradients with respect to the input and to the weight.

A convolution is linear in its input and in its weight. So its two derivatives are bilinear operations as well, and the
derivatives of those two are again among the three:

    ==================  ================  =============================  ==============================
    operation           operands          derivative, first operand      derivative, second operand
    ==================  ================  =============================  ==============================
    `value`             input, weight     `input_gradient`               `weight_gradient`
    `input_gradient`    output, weight    `value`                        `weight_gradient`
    `weight_gradient`   input, output     `input_gradient`               `value`
    ==================  ================  =============================  ==============================

They are primitives so that each has its own lowering for each platform and `grad`, `jvp` and `vmap` work on them in any
order; `jax.custom_vjp` would lose forward mode. The lowering for a CPU is that of `cpu/`. Other platforms get
`lax.conv_general_dilated` and its transposes. The platform is the one that the program is compiled for, not the
one that it is traced on. A transposed convolution is an `input_gradient`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from .._mesh import by_compiler, has_manual_axes, sharded_axes
from . import cpu, xla
from .geometry import Geometry, Shape

__all__ = ["convolve", "convolve_transposed"]

_MAX_CACHED_GEOMETRIES = 4096  # of each primitive, compiled for calls outside of jit


def convolve(
    x: jax.Array, weight: jax.Array, strides: tuple[int, ...], padding: tuple[tuple[int, int], ...],
    dilation: tuple[int, ...], groups: int,
) -> jax.Array:
    """A convolution of images.

    Args:
        x: images [N, *spatial, in].
        weight: [*kernel, in/groups, out], in the dtype of `x`.
        strides: one for each spatial axis, as are `padding` (before, after) and `dilation`.
        padding: zeros at both ends of each axis; negative numbers crop.
        dilation: pixels from one element of the kernel to the next.
        groups: the number of groups of channels.

    Returns:
        [N, *spatial', out].
    """
    geometry = Geometry(x.shape[1:-1], weight.shape[:-2], strides, padding, dilation, groups)
    function = xla.value if has_manual_axes(x, weight) else _bind(_value)
    return _on_mesh(functools.partial(function, geometry=geometry), x, weight)


def convolve_transposed(
    x: jax.Array, weight: jax.Array, strides: tuple[int, ...], padding: tuple[int, ...],
    output_padding: tuple[int, ...], dilation: tuple[int, ...], groups: int,
) -> jax.Array:
    """A transposed convolution: the gradient of `convolve` with respect to its input.

    Args:
        x: [N, *spatial, in].
        weight: [*kernel, in, out/groups], in the dtype of `x`.
        strides: one for each spatial axis, as are `padding`, `output_padding` and `dilation`.
        padding: pixels to remove at both ends of each axis of the output.
        output_padding: pixels to add at the far end of each axis of the output.
        dilation: pixels from one element of the kernel to the next.
        groups: the number of groups of channels.

    Returns:
        [N, *spatial', out].
    """
    kernel = weight.shape[:-2]
    pads = tuple((p, p - extra) for p, extra in zip(padding, output_padding, strict=True))
    size = tuple(
        (n - 1) * s - low - high + d * (k - 1) + 1
        for n, s, (low, high), d, k in zip(x.shape[1:-1], strides, pads, dilation, kernel, strict=True)
    )
    geometry = Geometry(size, kernel, strides, pads, dilation, groups)
    function = xla.input_gradient if has_manual_axes(x, weight) else _bind(_input_gradient)
    return _on_mesh(lambda x, w: function(x, w.swapaxes(-1, -2), geometry=geometry), x, weight)


def _on_mesh(function: Callable[..., jax.Array], x: jax.Array, weight: jax.Array) -> jax.Array:
    """`function(x, weight)`. On a mesh with explicit axes the result is sharded like the images and output channels."""
    return by_compiler(
        function, x, weight,
        result=lambda: (sharded_axes(x)[0], *[None] * (x.ndim - 2), sharded_axes(weight)[-1]),
    )


def _bind(primitive: Primitive) -> Callable[..., jax.Array]:
    """The primitive with the precision of the current context: it is lowered later, when the context may be gone."""
    precision = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
    return functools.partial(primitive.bind, precision=precision)


def _batch(primitive: Primitive, operands: Any, axes: Any, geometry: Geometry, precision: Any) -> Any:
    """The rule for `vmap`.

    With a shared weight the mapped axis becomes part of the batch. With a shared image and no groups it becomes part of
    the output channels. Otherwise each of its elements becomes a group of its own.
    """
    (a, b), (axis_a, axis_b) = operands, axes
    count = a.shape[axis_a] if axis_a is not None else b.shape[axis_b]
    if axis_a is not None and axis_b is None and primitive is not _weight_gradient:
        images = jnp.moveaxis(a, axis_a, 0)
        y = primitive.bind(images.reshape(-1, *images.shape[2:]), b, geometry=geometry, precision=precision)
        return y.reshape(count, -1, *y.shape[1:]), 0
    image_is_shared = axis_a is None and primitive is _value and geometry.groups == 1
    if not image_is_shared:
        geometry, a = geometry._replace(groups=geometry.groups * count), _merge_into_channels(a, axis_a, count)
    y = primitive.bind(a, _merge_into_channels(b, axis_b, count), geometry=geometry, precision=precision)
    return y.reshape(*y.shape[:-1], count, y.shape[-1] // count), y.ndim - 1


def _merge_into_channels(x: jax.Array, axis: int | None, count: int) -> jax.Array:
    """Moves the mapped axis ahead of the last axis and merges the two; an unmapped array is repeated `count` times."""
    each = jnp.moveaxis(x, axis, -2) if axis is not None else jnp.broadcast_to(
        jnp.expand_dims(x, -2), (*x.shape[:-1], count, x.shape[-1]))
    return each.reshape(*each.shape[:-2], -1)


def _primitive(name: str, shape: Callable[[Shape, Shape, Geometry], Shape]) -> Primitive:
    """A bilinear primitive `conv_{name}`, lowered to the functions called `name` in `xla` and in `cpu`.

    Args:
        name: "value", "input_gradient" or "weight_gradient".
        shape: the shape of the result from those of the operands and the geometry.
    """
    primitive = Primitive(f"conv_{name}")
    mlir.register_lowering(primitive, mlir.lower_fun(getattr(xla, name), multiple_results=False))
    lower_for_cpu = mlir.lower_fun(getattr(cpu, name), multiple_results=False)

    def cpu_lowering(context: mlir.LoweringRuleContext, a: Any, b: Any, *, geometry: Geometry, precision: Any) -> Any:
        geometry = geometry._replace(devices=_number_of_devices(context))
        return lower_for_cpu(context, a, b, geometry=geometry, precision=precision)

    mlir.register_lowering(primitive, cpu_lowering, platform="cpu")
    batching.primitive_batchers[primitive] = functools.partial(_batch, primitive)

    @primitive.def_abstract_eval
    def _(a: Any, b: Any, geometry: Geometry, precision: Any) -> Any:
        return a.update(shape=shape(a.shape, b.shape, geometry), weak_type=False)

    @functools.lru_cache(_MAX_CACHED_GEOMETRIES)  # so that a call outside of jit is not traced again each time
    def compiled(**static: Any) -> Callable[..., jax.Array]:
        return jax.jit(functools.partial(primitive.bind, **static))

    @primitive.def_impl
    def _(a: jax.Array, b: jax.Array, **static: Any) -> jax.Array:
        return compiled(**static)(a, b)

    return primitive


def _number_of_devices(context: mlir.LoweringRuleContext) -> int:
    """The number of devices that the program is compiled for."""
    axes: Any = context.module_context.axis_context
    return axes.mesh.size if hasattr(axes, "mesh") else axes.num_devices  # a mesh: inside `jax.shard_map`


_value = _primitive("value", lambda x, w, g: (x[0], *g.out, w[-1]))
_input_gradient = _primitive("input_gradient", lambda y, w, g: (y[0], *g.size, w[-2] * g.groups))
_weight_gradient = _primitive("weight_gradient", lambda x, y, g: (*g.kernel, x[-1] // g.groups, y[-1]))

# Rules receive the cotangent and both operands; the operand that is differentiated is a placeholder.
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
