"""Dropout (Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html) and its relatives.

Arguments that all functions share:

- `x`: a floating-point array; the result has its shape and dtype.
- `p`: the probability to drop, a Python number from 0 to 1.
- `training`: if false, `x` is returned unchanged.
- `key`: random key, needed while training unless `p` is 0 or 1.

What is dropped becomes 0, also where it is infinite or NaN. Torch multiplies by 0, so that it becomes NaN there.

Each function raises ValueError if `p` is outside [0, 1], if a key is needed and missing, or if `x` has too few axes.
"""

import jax
import jax.numpy as jnp

from ._drop import drop, to_zero

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "feature_dropout",
]


def dropout(x: jax.Array, p: float = 0.5, training: bool = True, *, key: jax.Array | None = None) -> jax.Array:
    """Sets each element to 0 with probability `p` and divides the others by `1 - p`, to keep the expected value.

    >>> sorted(set(dropout(jnp.ones(100), 0.75, key=jax.random.key(0)).tolist()))
    [0.0, 4.0]
    """
    return drop("dropout", x, x.shape, p, training, key, to_zero)


def dropout1d(x: jax.Array, p: float = 0.5, training: bool = True, *, key: jax.Array | None = None) -> jax.Array:
    """`dropout` of whole channels of [..., length, channels], drawn independently for each sample.

    See Tompson et al. 2014, https://arxiv.org/abs/1411.4280.
    """
    return _drop_channels("dropout1d", 1, x, p, training, key)


def dropout2d(x: jax.Array, p: float = 0.5, training: bool = True, *, key: jax.Array | None = None) -> jax.Array:
    """`dropout` of whole channels of [..., height, width, channels]. Otherwise like `dropout1d`.

    An array of three axes is one image. Torch 2 treats it as a batch of sequences, and warns that this will change.
    """
    return _drop_channels("dropout2d", 2, x, p, training, key)


def dropout3d(x: jax.Array, p: float = 0.5, training: bool = True, *, key: jax.Array | None = None) -> jax.Array:
    """`dropout` of whole channels of [..., depth, height, width, channels]. Otherwise like `dropout1d`."""
    return _drop_channels("dropout3d", 3, x, p, training, key)


def alpha_dropout(x: jax.Array, p: float = 0.5, training: bool = False, *, key: jax.Array | None = None) -> jax.Array:
    """Dropout for `selu`: sets elements to its lower limit, then rescales all to keep mean 0 and variance 1.

    See Klambauer et al. 2017, https://arxiv.org/abs/1706.02515.
    """
    return drop("alpha_dropout", x, x.shape, p, training, key, _to_alpha)


def feature_alpha_dropout(
    x: jax.Array, p: float = 0.5, training: bool = False, *, key: jax.Array | None = None
) -> jax.Array:
    """`alpha_dropout` of whole channels of [batch, ..., channels], drawn independently for each sample."""
    return drop("feature_alpha_dropout", x, _per_feature("feature_alpha_dropout", x), p, training, key, _to_alpha)


def feature_dropout(x: jax.Array, p: float = 0.5, training: bool = True, *, key: jax.Array | None = None) -> jax.Array:
    """`dropout` of whole channels of [batch, ..., channels], drawn independently for each sample."""
    return drop("feature_dropout", x, _per_feature("feature_dropout", x), p, training, key, to_zero)


def _per_feature(function: str, x: jax.Array) -> tuple[int, ...]:
    """The shape of one decision for each channel of each sample."""
    if x.ndim < 2:
        raise ValueError(f"{function} takes [batch, ..., channels] and got an array of shape {x.shape}")
    return x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1]


def _drop_channels(
    function: str, axes: int, x: jax.Array, p: float, training: bool, key: jax.Array | None
) -> jax.Array:
    if x.ndim < axes + 1:
        raise ValueError(f"{function} takes [..., {axes} spatial axes, channels] and got an array of shape {x.shape}")
    shape = (*x.shape[: -axes - 1], *(1,) * axes, x.shape[-1])
    return drop(function, x, shape, p, training, key, to_zero)


def _to_alpha(x: jax.Array, kept: jax.Array, p: float) -> jax.Array:
    limit = -1.7580993408473766  # of selu as x goes to minus infinity: -alpha * scale
    scale = ((1 - p) * (1 + p * limit**2)) ** -0.5
    return scale * jnp.where(kept, x, limit) - scale * limit * p
