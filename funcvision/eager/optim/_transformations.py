"""Gradient transformations of torch's optimizers that optax lacks or computes differently, in optax's style."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

__all__ = ["accumulate", "scale_by_adagrad", "scale_by_adam", "scale_by_rms"]


class MomentumState(NamedTuple):
    """Whether the first step has been taken, and the velocity."""

    started: jax.Array
    velocity: Any


def accumulate(momentum: Any, dampening: Any, nesterov: bool) -> optax.GradientTransformation:
    """SGD's momentum: `v = momentum * v + (1 - dampening) * g`, where the first step has `v = g`."""

    def init(params: Any) -> MomentumState:
        return MomentumState(jnp.asarray(False), optax.tree.zeros_like(params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, MomentumState]:
        velocity = jax.tree.map(
            lambda g, v: jnp.where(state.started, v * momentum + g * (1 - dampening), g).astype(g.dtype),
            updates, state.velocity,
        )
        if nesterov:
            updates = jax.tree.map(lambda g, v: (g + v * momentum).astype(g.dtype), updates, velocity)
        else:
            updates = velocity
        return updates, MomentumState(jnp.asarray(True), velocity)

    return optax.GradientTransformation(init, update)


class AdagradState(NamedTuple):
    """The number of steps taken, and the sum of the squares of their gradients."""

    count: jax.Array
    sum_of_squares: Any


def scale_by_adagrad(lr_decay: Any, initial_accumulator_value: Any, eps: Any) -> optax.GradientTransformation:
    """Divides by `sqrt(sum of squares) + eps` and by `1 + lr_decay * steps taken before`.

    Optax adds `eps` under the root. See Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html.
    """

    def init(params: Any) -> AdagradState:
        return AdagradState(jnp.zeros((), jnp.int32), optax.tree.full_like(params, initial_accumulator_value))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AdagradState]:
        sums = jax.tree.map(lambda g, s: s + jnp.square(g), updates, state.sum_of_squares)
        slowed = 1 + state.count * lr_decay
        updates = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps) / slowed.astype(g.dtype), updates, sums)
        return updates, AdagradState(state.count + 1, sums)

    return optax.GradientTransformation(init, update)


class AdamState(NamedTuple):
    """The number of steps taken, the two moments, and for AMSGrad the largest second moment so far."""

    count: jax.Array
    mu: Any
    nu: Any
    largest: Any


def scale_by_adam(b1: Any, b2: Any, eps: Any, amsgrad: bool) -> optax.GradientTransformation:
    """Adam, or AMSGrad (Reddi et al. 2018, https://arxiv.org/abs/1904.09237), with torch's order of operations.

    So it overflows where torch does. Optax squares a gradient before it multiplies by `1 - b2`, and corrects the bias
    of the second moment before it takes the root. And torch takes the maximum of the second moments before their bias
    is corrected; optax takes it afterwards.
    """

    def init(params: Any) -> AdamState:
        mu, nu = optax.tree.zeros_like(params), optax.tree.zeros_like(params)
        return AdamState(jnp.zeros((), jnp.int32), mu, nu, optax.tree.zeros_like(params) if amsgrad else None)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AdamState]:
        count = state.count + 1
        mu, nu = _mean(state.mu, updates, b1), _mean_of_squares(state.nu, updates, b2)
        largest = jax.tree.map(jnp.maximum, state.largest, nu) if amsgrad else None
        of_mu, of_nu = 1 - b1**count, jnp.sqrt(1 - b2**count)

        def scaled(m: jax.Array, v: jax.Array) -> jax.Array:
            return m / of_mu.astype(m.dtype) / (jnp.sqrt(v) / of_nu.astype(v.dtype) + eps)

        return jax.tree.map(scaled, mu, largest if amsgrad else nu), AdamState(count, mu, nu, largest)

    return optax.GradientTransformation(init, update)


class RMSState(NamedTuple):
    """The running mean of the squares, and that of the gradients if the variance is centred."""

    squares: Any
    mean: Any


def scale_by_rms(alpha: Any, eps: Any, centered: bool) -> optax.GradientTransformation:
    """Divides by the running root mean square, or standard deviation, plus `eps`, with torch's order of operations."""

    def init(params: Any) -> RMSState:
        return RMSState(optax.tree.zeros_like(params), optax.tree.zeros_like(params) if centered else None)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, RMSState]:
        squares = variance = _mean_of_squares(state.squares, updates, alpha)
        mean = _mean(state.mean, updates, alpha) if centered else None
        if centered:
            variance = jax.tree.map(_less_square, squares, mean)
        return jax.tree.map(lambda g, v: g / (jnp.sqrt(v) + eps), updates, variance), RMSState(squares, mean)

    return optax.GradientTransformation(init, update)


def _less_square(squares: jax.Array, mean: jax.Array) -> jax.Array:
    """`squares - mean**2`. As with torch's fused product, a finite mean leaves an infinity of the squares."""
    return jnp.where(jnp.isinf(squares) & jnp.isfinite(mean), squares, squares - mean * mean)


def _mean(mean: Any, values: Any, decay: Any) -> Any:
    """The running mean after one more value."""
    return jax.tree.map(lambda m, g: (m + (g - m) * (1 - decay)).astype(m.dtype), mean, values)


def _mean_of_squares(mean: Any, values: Any, decay: Any) -> Any:
    """The running mean of squares after one more value. The square alone may overflow."""
    return jax.tree.map(lambda m, g: (m * decay + (g * (1 - decay)) * g).astype(m.dtype), mean, values)
