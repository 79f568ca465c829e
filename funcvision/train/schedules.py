"""Learning rates over a run, as schedules of optax with the values of torch's schedulers.

All lengths are in epochs. `per_epoch=True` holds the rate within an epoch, as torchvision's references do, which step
their schedulers once an epoch. Otherwise the rate follows the same curve at each step. Warm-up comes first, and the
schedule starts after it, as with torch's `SequentialLR`.
"""

import math
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import optax

__all__ = ["constant", "cosine", "exponential", "polynomial", "step"]

Curve = Callable[[jax.Array], jax.Array]  # of the epochs since the end of warm-up, with a fraction
Warmup = Literal["constant", "linear"]


def constant(
    lr: float, *, steps_per_epoch: int, warmup_epochs: float = 0, warmup_method: Warmup = "linear",
    warmup_decay: float = 0.01, per_epoch: bool = False,
) -> optax.Schedule:
    """The same rate for the whole run, after warm-up. The options are those of `cosine`."""
    return _schedule(
        lr, lambda t: jnp.full_like(t, lr), steps_per_epoch, warmup_epochs, warmup_method, warmup_decay, per_epoch
    )


def cosine(
    lr: float, *, epochs: float, steps_per_epoch: int, lr_min: float = 0.0, warmup_epochs: float = 0,
    warmup_method: Warmup = "linear", warmup_decay: float = 0.01, per_epoch: bool = False,
) -> optax.Schedule:
    """Half a cosine from `lr` to `lr_min`, as torch's `CosineAnnealingLR` (https://arxiv.org/abs/1608.03983).

    Args:
        lr: the rate after warm-up.
        epochs: of the whole run, warm-up included.
        steps_per_epoch: steps in an epoch.
        lr_min: the rate at the end.
        warmup_epochs: the length of warm-up.
        warmup_method: "linear" raises the rate from `warmup_decay * lr` to `lr`; "constant" holds it there.
        warmup_decay: the share of `lr` with which warm-up begins.
        per_epoch: hold the rate within an epoch.

    Returns:
        A function from the number of the step to the rate.

    Raises:
        ValueError: a length is out of range, or `warmup_method` is unknown.

    >>> rate = cosine(1.0, epochs=10, steps_per_epoch=100, warmup_epochs=2)
    >>> [round(float(rate(count)), 3) for count in (0, 100, 200, 600, 1000)]
    [0.01, 0.505, 1.0, 0.5, 0.0]
    """
    length = _length(epochs, warmup_epochs)

    def curve(t: jax.Array) -> jax.Array:
        return lr_min + (lr - lr_min) * (1 + jnp.cos(math.pi * jnp.minimum(t / length, 1.0))) / 2

    return _schedule(lr, curve, steps_per_epoch, warmup_epochs, warmup_method, warmup_decay, per_epoch)


def step(
    lr: float, *, step_size: int, steps_per_epoch: int, gamma: float = 0.1, warmup_epochs: float = 0,
    warmup_method: Warmup = "linear", warmup_decay: float = 0.01, per_epoch: bool = False,
) -> optax.Schedule:
    """Multiplies the rate by `gamma` after each `step_size` epochs, as torch's `StepLR`.

    Args:
        lr: the rate after warm-up.
        step_size: epochs between two reductions.
        steps_per_epoch: steps in an epoch.
        gamma: the factor.
        warmup_epochs: as for `cosine`, like the other options.
        warmup_method: "linear" or "constant".
        warmup_decay: the share of `lr` with which warm-up begins.
        per_epoch: hold the rate within an epoch.

    Raises:
        ValueError: a length is out of range, or `warmup_method` is unknown.
    """
    if step_size <= 0:
        raise ValueError(f"step_size={step_size} must be above 0")

    def curve(t: jax.Array) -> jax.Array:
        return lr * gamma ** jnp.floor(t / step_size)

    return _schedule(lr, curve, steps_per_epoch, warmup_epochs, warmup_method, warmup_decay, per_epoch)


def exponential(
    lr: float, *, steps_per_epoch: int, gamma: float, warmup_epochs: float = 0, warmup_method: Warmup = "linear",
    warmup_decay: float = 0.01, per_epoch: bool = False,
) -> optax.Schedule:
    """Multiplies the rate by `gamma` in each epoch, as torch's `ExponentialLR`. Options are those of `step`."""
    return _schedule(
        lr, lambda t: lr * gamma**t, steps_per_epoch, warmup_epochs, warmup_method, warmup_decay, per_epoch
    )


def polynomial(
    lr: float, *, epochs: float, steps_per_epoch: int, power: float = 0.9, warmup_epochs: float = 0,
    warmup_method: Warmup = "linear", warmup_decay: float = 0.01, per_epoch: bool = False,
) -> optax.Schedule:
    """`lr * (1 - t / length) ** power`, as torch's `PolynomialLR`. Other options are those of `cosine`.

    Args:
        lr: the rate after warm-up.
        epochs: of the whole run, warm-up included.
        steps_per_epoch: steps in an epoch.
        power: the exponent.
        warmup_epochs: the length of warm-up.
        warmup_method: "linear" or "constant".
        warmup_decay: the share of `lr` with which warm-up begins.
        per_epoch: hold the rate within an epoch.

    Raises:
        ValueError: a length is out of range, or `warmup_method` is unknown.
    """
    length = _length(epochs, warmup_epochs)

    def curve(t: jax.Array) -> jax.Array:
        return lr * (1 - jnp.minimum(t / length, 1.0)) ** power

    return _schedule(lr, curve, steps_per_epoch, warmup_epochs, warmup_method, warmup_decay, per_epoch)


def _length(epochs: float, warmup_epochs: float) -> float:
    """Epochs after warm-up."""
    if epochs <= warmup_epochs:
        raise ValueError(f"epochs={epochs} must be more than warmup_epochs={warmup_epochs}, which they include")
    return epochs - warmup_epochs


def _schedule(
    lr: float, curve: Curve, steps_per_epoch: int, warmup_epochs: float, warmup_method: str, warmup_decay: float,
    per_epoch: bool,
) -> optax.Schedule:
    """Warm-up, then the curve, as a function of the number of the step."""
    if steps_per_epoch < 1 or warmup_epochs < 0:
        raise ValueError(
            f"steps_per_epoch={steps_per_epoch} must be 1 or more, and warmup_epochs={warmup_epochs} 0 or more"
        )
    if warmup_method not in ("constant", "linear"):
        raise ValueError(f"warmup_method={warmup_method!r} must be 'linear' or 'constant'")

    def rate(count: jax.typing.ArrayLike) -> jax.Array:
        count = jnp.asarray(count)
        dtype = jnp.result_type(float)
        if per_epoch:
            epoch = (count // steps_per_epoch).astype(dtype)
        else:
            epoch = count.astype(dtype) / steps_per_epoch
        after = curve(jnp.maximum(epoch - warmup_epochs, 0.0))
        if not warmup_epochs:
            return after
        share = warmup_decay + 0.0 * epoch
        if warmup_method == "linear":
            share = warmup_decay + (1 - warmup_decay) * epoch / warmup_epochs
        return jnp.where(epoch < warmup_epochs, lr * share, after)

    return rate
