"""Activations with the values and the derivatives of torch's, also at their kinks.

Each takes a floating-point array and returns one of the same shape and dtype, unless the docstring says otherwise. All
but `prelu` and those with a `dim` are elementwise. `dim` is an axis of the array as it is: -1, the default, is the
channel axis of a channels-last image. The softmax family accumulates in float32 at least.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from ._check import axis_index
from ._mesh import broadcast_to
from ._precision import at_least_float32
from ._random import require_key

__all__ = [
    "celu", "elu", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu", "softmax",
    "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold",
]


# Rectifiers. At the kink the derivative is the one from the left, as in torch.


@jax.custom_jvp
@jax.jit
def _relu(x: jax.Array) -> jax.Array:
    return jnp.maximum(x, 0)


_relu.defjvps(lambda tangent, y, x: jnp.where(x <= 0, 0, tangent))


def relu(x: jax.Array) -> jax.Array:
    """`max(x, 0)`, with derivative 0 at 0 and 1 at NaN."""
    return _relu(x)


def relu6(x: jax.Array) -> jax.Array:
    """`x` clipped to [0, 6], with derivative 0 at both ends."""
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: jax.Array, negative_slope: float = 0.01) -> jax.Array:
    """`x` above 0 and `negative_slope * x` elsewhere, with derivative `negative_slope` at 0."""
    return jnp.where(x > 0, x, negative_slope * x)


def prelu(x: jax.Array, weight: jax.Array) -> jax.Array:
    """`leaky_relu` with learned slopes (He et al. 2015, https://arxiv.org/abs/1502.01852).

    Args:
        x: [..., channels].
        weight: one slope, of shape [] or [1], or [channels] for one slope for each channel.

    Raises:
        ValueError: `weight` has another shape.
    """
    if weight.shape not in ((), (1,), x.shape[-1:]):
        raise ValueError(f"prelu takes one slope or one per channel (last axis) of {x.shape} and got {weight.shape}")
    return _rectified(x, broadcast_to(weight.astype(x.dtype), x.shape, x))


def rrelu(
    x: jax.Array, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *, key: jax.Array | None = None
) -> jax.Array:
    """`leaky_relu` with random slopes while training (Xu et al. 2015, https://arxiv.org/abs/1505.00853).

    Args:
        x: any shape.
        lower: while training, the slope of each element is drawn uniformly from [lower, upper).
        upper: at least `lower`.
        training: if false, every slope is `(lower + upper) / 2`.
        key: random key, needed while training.

    Raises:
        ValueError: `lower` is above `upper`, or there is no key while training.
    """
    if lower > upper:
        raise ValueError(f"rrelu draws slopes from [lower, upper) and got [{lower}, {upper})")
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    slopes = jax.random.uniform(require_key(key, "rrelu"), x.shape, x.dtype, lower, upper)
    return _rectified(x, slopes)


def _rectified(x: jax.Array, slopes: jax.Array) -> jax.Array:
    """`x` above 0 and `slopes * x` elsewhere. Above 0 the product is not formed, because 0 * inf would be NaN."""
    positive = x > 0
    return jnp.where(positive, x, slopes * jnp.where(positive, 0, x))


def threshold(x: jax.Array, threshold: float, value: float) -> jax.Array:
    """`x` above `threshold` and `value` elsewhere."""
    return jnp.where(x <= threshold, value, x)


# Exponential units


def elu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """`x` above 0 and `alpha * (exp(x) - 1)` elsewhere (Clevert et al. 2015, https://arxiv.org/abs/1511.07289)."""
    return jax.nn.elu(x, alpha)


def selu(x: jax.Array) -> jax.Array:
    """`elu` scaled to keep mean 0 and variance 1 (Klambauer et al. 2017, https://arxiv.org/abs/1706.02515)."""
    return jax.nn.selu(x)


def celu(x: jax.Array, alpha: float = 1.0) -> jax.Array:
    """`x` above 0 and `alpha * (exp(x / alpha) - 1)` elsewhere (Barron 2017, https://arxiv.org/abs/1704.07483).

    Raises:
        ValueError: `alpha` is 0.
    """
    if alpha == 0:
        raise ValueError("celu divides by alpha, which cannot be 0")
    return jax.nn.celu(x, alpha)


# Smooth gates


def sigmoid(x: jax.Array) -> jax.Array:
    """`1 / (1 + exp(-x))`."""
    return jax.nn.sigmoid(x)


def logsigmoid(x: jax.Array) -> jax.Array:
    """`log(sigmoid(x))`, finite for every finite `x`."""
    return jax.nn.log_sigmoid(x)


def tanh(x: jax.Array) -> jax.Array:
    """The hyperbolic tangent."""
    return jnp.tanh(x)


def softplus(x: jax.Array, beta: float = 1.0, threshold: float = 20.0) -> jax.Array:
    """`log(1 + exp(beta * x)) / beta`, and `x` itself where `beta * x` is above `threshold`."""
    return jnp.where(beta * x > threshold, x, jax.nn.softplus(beta * x) / beta)


@jax.custom_jvp
def softsign(x: jax.Array) -> jax.Array:
    """`x / (1 + |x|)`."""
    return jax.nn.soft_sign(x)


# The quotient rule would square the denominator, which overflows in float16 from |x| = 255 on.
softsign.defjvps(lambda tangent, y, x: tangent / (1 + jnp.abs(x)) / (1 + jnp.abs(x)))


def _save_only_input(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """The function with a gradient that recomputes everything from x, so that no other array is stored and read."""
    return jax.jit(jax.checkpoint(function))


def _exact_gelu(x: jax.Array) -> jax.Array:
    """With erf, as in torch. `jax.nn.gelu` uses XLA's erfc, which takes three times as long on a CPU."""
    wide = at_least_float32(x)
    return (wide * (0.5 + 0.5 * lax.erf(wide * math.sqrt(0.5)))).astype(x.dtype)


_gelu = _save_only_input(_exact_gelu)
_silu = _save_only_input(jax.nn.silu)
_mish = _save_only_input(jax.nn.mish)


def gelu(x: jax.Array, *, approximate: str = "none") -> jax.Array:
    """`x * P(X <= x)` for a standard normal X (Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415).

    Args:
        x: any shape.
        approximate: "none", or "tanh" for the paper's approximation with a tanh.

    Raises:
        ValueError: `approximate` is neither "none" nor "tanh".
    """
    if approximate == "none":
        return _gelu(x)
    if approximate != "tanh":
        raise ValueError(f"gelu takes approximate='none' or 'tanh' and got {approximate!r}")
    near = jnp.clip(x, -10.0, 10.0)  # the tanh is 1 beyond, and the cube of a large number would overflow
    return x * (0.5 * (1 + jnp.tanh(math.sqrt(2 / math.pi) * (near + 0.044715 * near**3))))


def silu(x: jax.Array) -> jax.Array:
    """`x * sigmoid(x)`, also called swish (Elfwing et al. 2017, https://arxiv.org/abs/1702.03118)."""
    return _silu(x)


def mish(x: jax.Array) -> jax.Array:
    """`x * tanh(softplus(x))` (Misra 2019, https://arxiv.org/abs/1908.08681)."""
    return _mish(x)


def glu(x: jax.Array, dim: int = -1) -> jax.Array:
    """The first half of axis `dim` times the sigmoid of the second half; the axis of the result is half as long.

    See Dauphin et al. 2016, https://arxiv.org/abs/1612.08083.

    Raises:
        ValueError: the axis has an odd size.
    """
    axis = axis_index(dim, x, "glu")
    if x.shape[axis] % 2:
        raise ValueError(f"glu splits axis {dim} in two halves; its size in {x.shape} is odd")
    values, gates = jnp.split(x, 2, axis)
    return values * jax.nn.sigmoid(gates)


# Piecewise linear gates


def hardtanh(x: jax.Array, min_val: float = -1.0, max_val: float = 1.0) -> jax.Array:
    """`x` clipped to [min_val, max_val], with derivative 0 at both ends (`jnp.clip` has 1/2 there).

    Raises:
        ValueError: `min_val` is above `max_val`.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh clips to [min_val, max_val] and got [{min_val}, {max_val}]")
    return jnp.where((x > min_val) & (x < max_val), x, lax.stop_gradient(jnp.clip(x, min_val, max_val)))


def hardsigmoid(x: jax.Array) -> jax.Array:
    """`x / 6 + 1/2` clipped to [0, 1], with derivative 0 at -3 and 3."""
    return (hardtanh(x, -3.0, 3.0) + 3) / 6


def hardswish(x: jax.Array) -> jax.Array:
    """`x * hardsigmoid(x)` (Howard et al. 2019, https://arxiv.org/abs/1905.02244)."""
    return x * hardsigmoid(x)


# Shrinkage


def softshrink(x: jax.Array, lambd: float = 0.5) -> jax.Array:
    """`x` moved towards 0 by `lambd`, and 0 where `|x|` is at most `lambd`.

    Raises:
        ValueError: `lambd` is negative.
    """
    if lambd < 0:
        raise ValueError(f"softshrink moves towards 0 by lambd, which cannot be negative: {lambd}")
    return jnp.where(jnp.abs(x) > lambd, x - lambd * jnp.sign(x), _zero_or_nan(x))


def hardshrink(x: jax.Array, lambd: float = 0.5) -> jax.Array:
    """`x`, and 0 where `|x|` is at most `lambd`."""
    return jnp.where(jnp.abs(x) > lambd, x, _zero_or_nan(x))


def _zero_or_nan(x: jax.Array) -> jax.Array:
    """NaN where `x` is NaN and 0 elsewhere, with derivative 0."""
    return lax.stop_gradient(jnp.where(x == x, 0, x))


def tanhshrink(x: jax.Array) -> jax.Array:
    """`x - tanh(x)`."""
    return x - jnp.tanh(x)


# Distributions over an axis


def softmax(x: jax.Array, dim: int = -1) -> jax.Array:
    """`exp(x)` divided by its sum over axis `dim`.

    >>> softmax(jnp.array([[0.0, 0.0], [3.0, 3.0]]))
    Array([[0.5, 0.5],
           [0.5, 0.5]], dtype=float32)
    """
    return jax.nn.softmax(at_least_float32(x), axis=axis_index(dim, x, "softmax")).astype(x.dtype)


def log_softmax(x: jax.Array, dim: int = -1) -> jax.Array:
    """The logarithm of `softmax(x, dim)`, computed so that neither step overflows or underflows."""
    return jax.nn.log_softmax(at_least_float32(x), axis=axis_index(dim, x, "log_softmax")).astype(x.dtype)


def softmin(x: jax.Array, dim: int = -1) -> jax.Array:
    """`softmax(-x, dim)`."""
    return softmax(-x, dim)


def gumbel_softmax(
    logits: jax.Array, tau: float | jax.Array = 1.0, hard: bool = False, *, dim: int = -1, key: jax.Array
) -> jax.Array:
    """Differentiable samples from the categorical distributions along axis `dim`.

    See Jang et al. 2016, https://arxiv.org/abs/1611.01144, and Maddison et al. 2016, https://arxiv.org/abs/1611.00712.

    Args:
        logits: log-probabilities of any shape, not necessarily normalised.
        tau: temperature above 0; samples approach one-hot vectors as it goes to 0.
        hard: return one-hot vectors with the derivative of the continuous ones.
        dim: the axis of the categories.
        key: random key for the noise.

    Returns:
        Samples of the shape and dtype of `logits`, whose sum along `dim` is 1.
    """
    wide, dim = at_least_float32(logits), axis_index(dim, logits, "gumbel_softmax")
    soft = jax.nn.softmax((wide + jax.random.gumbel(key, wide.shape, wide.dtype)) / tau, axis=dim)
    if not hard:
        return soft.astype(logits.dtype)
    one_hot = jax.nn.one_hot(jnp.argmax(soft, dim), soft.shape[dim], dtype=soft.dtype, axis=dim)
    return (one_hot + (soft - lax.stop_gradient(soft))).astype(logits.dtype)  # (...) is exactly 0
