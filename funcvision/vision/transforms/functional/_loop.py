"""How a batch is computed on a CPU: one image after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["one_image_at_a_time"]


def one_image_at_a_time(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays that `vmap` turns into a loop on a CPU.

    There an image stays in the cache, `lax.switch` runs one branch alone, and XLA does not fuse the function into what
    follows, where it could be computed again for every use of a pixel. On other platforms `vmap` vectorises as usual: a
    loop over small images would leave most of the chip idle. The function is differentiable in reverse mode alone,
    since jax does not differentiate what `custom_vmap` returns.

    Args:
        function: takes arrays and returns one array.
    """
    @jax.custom_batching.custom_vmap
    def call(*args: Any) -> Any:
        return function(*args)

    @call.def_vmap
    def _(size: int, batched: Sequence[bool], *args: Any) -> tuple[Any, bool]:
        full = [x if has_axis else jnp.broadcast_to(x, (size, *x.shape)) for x, has_axis in zip(args, batched)]
        # The body of the loop is `call` again, so that the axis of an outer vmap becomes a loop as well.
        result = lax.platform_dependent(
            *full, cpu=lambda *full: lax.map(lambda one: call(*one), tuple(full)), default=jax.vmap(function)
        )
        return result, True

    differentiable = jax.custom_vjp(call)
    differentiable.defvjp(lambda *args: (call(*args), args), lambda args, change: jax.vjp(function, *args)[1](change))
    return differentiable
