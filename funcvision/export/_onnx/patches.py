"""What is patched so that jax2onnx converts our functions to ONNX's own operators.

jax2onnx converts the primitives of jax. `patched` teaches it one more, `node`, which stands for one operator of ONNX.
The rules write operations as such nodes. `patched` also makes pooling and layer normalisation one
operation each while a model is traced; otherwise they would be many slices and sums. Nothing is patched outside of it.
"""

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive

from ...functional import norm, pool

__all__ = ["named_failures", "node", "patched"]

node = Primitive("onnx_node")
"""One operator of ONNX.

`op` is its name, `attributes` are pairs of names and values, and `aval` describes the result. `integers` are operands
that follow the first one, such as axes, each a tuple or one number. They are int64, which arrays of jax are not by
default.
"""
node.def_abstract_eval(lambda *_, op, attributes, integers, aval: aval)

_max_pool, _mean_pool, _layer_norm = map(Primitive, ("onnx_max_pool", "onnx_mean_pool", "onnx_layer_norm"))


@_max_pool.def_abstract_eval
@_mean_pool.def_abstract_eval
def _(x: Any, *, windows: tuple[pool.Window, ...], **_: Any) -> Any:
    return x.update(shape=(x.shape[0], *(window.count for window in windows), x.shape[-1]), weak_type=False)


@_layer_norm.def_abstract_eval
def _(x: Any, weight: Any, bias: Any, *, axis: int, eps: float) -> Any:
    return x.update(weak_type=False)


@contextlib.contextmanager
def patched() -> Iterator[None]:
    """While the block runs, jax2onnx converts `node`, and this thread traces the functions of `_TRACED` as primitives.

    Other threads are not affected.
    """
    from jax2onnx.plugins import plugin_system  # pyright: ignore[reportMissingImports]

    plugin_system.import_all_plugins()
    thread, before = threading.get_ident(), {where: getattr(*where) for where in _TRACED}

    def here(replacement: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
        def function(*args: Any) -> Any:
            result = replacement(*args) if threading.get_ident() == thread else None
            return original(*args) if result is None else result

        return function

    plugin_system.PLUGIN_REGISTRY[node.name] = _conversion(plugin_system.PrimitiveLeafPlugin)
    for where, replacement in _TRACED.items():
        setattr(*where, here(replacement, before[where]))
    try:
        yield
    finally:
        for where, original in before.items():
            setattr(*where, original)
        del plugin_system.PLUGIN_REGISTRY[node.name]


@contextlib.contextmanager
def named_failures() -> Iterator[None]:
    """Turns an error of jax2onnx into a `ValueError` that names the primitive that it was converting."""
    try:
        yield
    except Exception as error:
        frames = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__)]
        names = [variables["primitive_name"] for variables in frames if "primitive_name" in variables]
        what = f"fails to convert {names[-1]!r}" if names else "fails"
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"the model cannot be exported to ONNX: jax2onnx {what}: {reason}") from error


def _conversion(base: type) -> Any:
    """The object by which jax2onnx converts `node`."""
    import onnx_ir  # pyright: ignore[reportMissingImports]

    class Conversion(base):
        def lower(self, ctx: Any, eqn: Any) -> None:
            """Adds the operator to the graph."""
            (out,) = eqn.outvars
            inputs = [ctx.get_value_for_var(var, name_hint=ctx.fresh_name("operand")) for var in eqn.invars]
            inputs[1:1] = [
                ctx.builder.add_initializer_from_array(ctx.fresh_name("integers"), np.asarray(integers, np.int64))
                for integers in eqn.params["integers"]
            ]
            described = ctx.get_value_for_var(out, name_hint=ctx.fresh_name("result"))
            result = getattr(ctx.builder, eqn.params["op"])(
                *inputs, _outputs=[described.name], **dict(eqn.params["attributes"])
            )
            result.type = onnx_ir.TensorType(onnx_ir.DataType.from_numpy(np.dtype(out.aval.dtype)))
            result.shape = described.shape
            ctx.bind_value_for_var(out, result)

    return Conversion()


# What is traced as one operation. Each function takes the arguments of the one that it replaces, and returns None for
# a case that ONNX's operator does not have; then the original runs.


def _traced_max_pool(candidates: tuple[jax.Array, ...], windows: tuple[pool.Window, ...]) -> Any:
    if len(candidates) == 1 and _is_batch(candidates[0], len(windows)):
        return (_max_pool.bind(candidates[0], windows=windows),)
    return None


def _traced_avg_pool(
    axes: int, x: jax.Array, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    if divisor_override is not None or not _is_batch(x, axes):
        return None
    windows = pool._windows(f"avg_pool{axes}d", x, axes, kernel_size, stride, padding, 1, ceil_mode)
    if count_include_pad and any(window.high > window.low for window in windows):
        return None  # torch counts the padding, but not what a window of ceil_mode covers beyond it
    return _mean_pool.bind(x, windows=windows, count_include_pad=int(count_include_pad))


def _traced_adaptive_avg_pool(axes: int, x: jax.Array, output_size: Any) -> Any:
    sizes = pool._output_sizes(f"adaptive_avg_pool{axes}d", x, axes, output_size)
    pairs = list(zip(x.shape[-axes - 1 : -1], sizes, strict=True))
    if not _is_batch(x, axes) or any(n % m for n, m in pairs):
        return None
    if all(n == m for n, m in pairs):
        return x
    windows = tuple(pool.Window(m, n // m, n // m, 1, 0, 0) for n, m in pairs)
    return _mean_pool.bind(x, windows=windows, count_include_pad=0)


def _traced_layer_norm(x: jax.Array, weight: Any, bias: Any, axes: tuple[int, ...], eps: float | None) -> Any:
    is_trailing = axes == tuple(range(x.ndim - len(axes), x.ndim))
    if weight is None or bias is None or eps is None or not is_trailing or x.dtype != jnp.float32:
        return None
    return _layer_norm.bind(x, weight, bias, axis=axes[0] - x.ndim, eps=eps)


def _is_batch(x: jax.Array, axes: int) -> bool:
    """Whether `x` are floating-point images with one batch axis."""
    return x.ndim == axes + 2 and jnp.issubdtype(x.dtype, jnp.floating)


_TRACED: dict[tuple[Any, str], Callable[..., Any]] = {
    (pool, "window_max"): _traced_max_pool,
    (pool, "_avg_pool"): _traced_avg_pool,
    (pool, "_adaptive_avg_pool"): _traced_adaptive_avg_pool,
    (norm, "_normalised"): _traced_layer_norm,
}
"""The functions that are replaced while a model is traced, by module and name."""
