"""Gradient transformations of torch's optimizers that optax lacks or computes differently, in optax's style."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

__all__ = ["dampen", "scale_by_adagrad", "scale_by_amsgrad"]


class DampenState(NamedTuple):
    """Whether the first step has been taken."""

    started: jax.Array


def dampen(dampening: Any) -> optax.GradientTransformation:
    """Scales by `1 - dampening` from the second step on, as torch does before momentum."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, DampenState]:
        scale = jnp.where(state.started, 1 - dampening, 1)
        return jax.tree.map(lambda g: g * scale.astype(g.dtype), updates), DampenState(jnp.asarray(True))

    return optax.GradientTransformation(lambda params: DampenState(jnp.asarray(False)), update)


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


class AmsgradState(NamedTuple):
    """The number of steps taken, the two moments, and the largest second moment so far."""

    count: jax.Array
    mu: Any
    nu: Any
    largest: Any


def scale_by_amsgrad(b1: Any, b2: Any, eps: Any) -> optax.GradientTransformation:
    """AMSGrad (Reddi et al. 2018, https://arxiv.org/abs/1904.09237) with torch's order of operations.

    Torch takes the maximum of the second moments before their bias is corrected; optax takes it afterwards.
    """

    def init(params: Any) -> AmsgradState:
        return AmsgradState(jnp.zeros((), jnp.int32), *(optax.tree.zeros_like(params) for _ in range(3)))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, AmsgradState]:
        count = state.count + 1
        mu = optax.tree.update_moment(updates, state.mu, b1, 1)
        nu = optax.tree.update_moment(updates, state.nu, b2, 2)
        largest = jax.tree.map(jnp.maximum, state.largest, nu)
        first, second = optax.tree.bias_correction(mu, b1, count), optax.tree.bias_correction(largest, b2, count)
        updates = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + eps), first, second)
        return updates, AmsgradState(count, mu, nu, largest)

    return optax.GradientTransformation(init, update)
