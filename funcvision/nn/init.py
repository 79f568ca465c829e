"""Initialisers with the names and distributions of `torch.nn.init`.

An initialiser is any callable `(key, shape, dtype) -> array`, so those of `jax.nn.initializers` work too.
`shape` is the shape of the parameter in torch's axis order, `[out, in, ...]`. Fans are computed as torch does.

Most distributions map independent standard draws element by element (`Elementwise`). `Module.init` makes the draws of
all these parameters at once. This compiles one random generator, not one for each parameter.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from ..functional._precision import accumulation_dtype

__all__ = [
    "Elementwise", "Initializer", "calculate_gain", "constant", "dirac", "eye", "fans", "kaiming_normal",
    "kaiming_uniform", "normal", "ones", "orthogonal", "sparse", "trunc_normal", "uniform", "xavier_normal",
    "xavier_uniform", "zeros",
]

Initializer = Callable[[jax.Array, tuple[int, ...], Any], jax.Array]
Noise = Literal["normal", "uniform"]
Mode = Literal["fan_in", "fan_out"]


def draw(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Independent draws from the uniform distribution on (-1, 1)."""
    above_minus_one = jnp.nextafter(jnp.array(-1, dtype), jnp.array(0, dtype))
    return jax.random.uniform(key, shape, dtype, minval=above_minus_one, maxval=1)


def standard(noise: Noise, draws: jax.Array) -> jax.Array:
    """Uniform draws unchanged, or mapped to standard normal ones."""
    return math.sqrt(2) * jax.lax.erf_inv(draws) if noise == "normal" else draws


class Elementwise:
    """An initialiser that maps standard draws element by element.

    Attributes:
        noise: the distribution of the standard draws.
    """

    noise: ClassVar[Noise]

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Maps standard draws to initial values of a parameter.

        Args:
            noise: standard draws, in any axis order.
            shape: the shape of the parameter in torch's axis order, from which fans are computed.
        """
        raise NotImplementedError

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return self.scale(standard(self.noise, draw(key, shape, dtype)), shape)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan in, fan out) of a weight of torch's shape [out, in, *kernel].

    >>> fans((64, 3, 7, 7))
    (147, 3136)
    """
    if len(shape) < 2:
        raise ValueError(f"fans are defined for weights [out, in, ...] with at least two axes, not for shape {shape}")
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor for the standard deviation of weights whose output goes into a nonlinearity.

    Args:
        nonlinearity: torch's name of the function.
        param: the negative slope of leaky ReLU, 0.01 by default.

    Raises:
        ValueError: no gain is known for `nonlinearity`.

    >>> calculate_gain("relu")
    1.4142135623730951
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    linear = ("linear", "sigmoid", *(f"conv{t}{n}d" for t in ("", "_transpose") for n in (1, 2, 3)))
    gains = dict.fromkeys(linear, 1.0) | {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    if nonlinearity not in gains:
        raise ValueError(f"no gain is known for {nonlinearity!r}; known are {', '.join([*gains, 'leaky_relu'])}")
    return gains[nonlinearity]


def _fan(shape: tuple[int, ...], mode: Mode) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode={mode!r}; give 'fan_in' or 'fan_out'")
    return fans(shape)[mode == "fan_out"]


@dataclasses.dataclass(frozen=True)
class constant:
    """Every element is `value`."""

    value: float

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        return jnp.full(shape, self.value, dtype)


zeros = constant(0.0)
ones = constant(1.0)


@dataclasses.dataclass(frozen=True)
class uniform(Elementwise):
    """Uniform on [low, high]."""

    low: float = 0.0
    high: float = 1.0
    noise: ClassVar[Noise] = "uniform"

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return (self.high + self.low) / 2 + noise * ((self.high - self.low) / 2)


@dataclasses.dataclass(frozen=True)
class normal(Elementwise):
    """Normal with mean `mean` and standard deviation `std`."""

    mean: float = 0.0
    std: float = 1.0
    noise: ClassVar[Noise] = "normal"

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return self.mean + noise * self.std


@dataclasses.dataclass(frozen=True)
class trunc_normal(Elementwise):
    """Normal, truncated to [low, high]. As in torch, these are values, not numbers of standard deviations."""

    mean: float = 0.0
    std: float = 1.0
    low: float = -2.0
    high: float = 2.0
    noise: ClassVar[Noise] = "uniform"

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        lower, upper = (math.erf((edge - self.mean) / self.std / math.sqrt(2)) for edge in (self.low, self.high))
        inside = (upper + lower) / 2 + noise * ((upper - lower) / 2)
        return jnp.clip(self.mean + jax.lax.erf_inv(inside) * (self.std * math.sqrt(2)), self.low, self.high)


@dataclasses.dataclass(frozen=True)
class xavier_uniform(Elementwise):
    """Uniform with variance 2 gain^2 / (fan in + fan out) (Glorot and Bengio 2010)."""

    gain: float = 1.0
    noise: ClassVar[Noise] = "uniform"

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return noise * (self.gain * math.sqrt(6 / sum(fans(shape))))


@dataclasses.dataclass(frozen=True)
class xavier_normal(Elementwise):
    """Normal with variance 2 gain^2 / (fan in + fan out) (Glorot and Bengio 2010)."""

    gain: float = 1.0
    noise: ClassVar[Noise] = "normal"

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return noise * (self.gain * math.sqrt(2 / sum(fans(shape))))


@dataclasses.dataclass(frozen=True)
class kaiming_uniform(Elementwise):
    """Uniform with variance gain^2 / fan (He et al. 2015, https://arxiv.org/abs/1502.01852)."""

    a: float = 0.0
    mode: Mode = "fan_in"
    nonlinearity: str = "leaky_relu"
    noise: ClassVar[Noise] = "uniform"

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return noise * (calculate_gain(self.nonlinearity, self.a) * math.sqrt(3 / _fan(shape, self.mode)))


@dataclasses.dataclass(frozen=True)
class kaiming_normal(Elementwise):
    """Normal with variance gain^2 / fan (He et al. 2015, https://arxiv.org/abs/1502.01852)."""

    a: float = 0.0
    mode: Mode = "fan_in"
    nonlinearity: str = "leaky_relu"
    noise: ClassVar[Noise] = "normal"

    def scale(self, noise: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return noise * (calculate_gain(self.nonlinearity, self.a) / math.sqrt(_fan(shape, self.mode)))


@dataclasses.dataclass(frozen=True)
class eye:
    """The identity matrix [out, in]."""

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        if len(shape) != 2:
            raise ValueError(f"eye initialises matrices; this parameter has shape {shape}")
        return jnp.eye(*shape, dtype=dtype)


@dataclasses.dataclass(frozen=True)
class dirac:
    """A kernel [out, in, *kernel] whose convolution is the identity on as many channels as possible in each group."""

    groups: int = 1

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        if not 3 <= len(shape) <= 5 or shape[0] % self.groups:
            raise ValueError(
                f"dirac(groups={self.groups}) initialises kernels [out, in, *kernel] with 1 to 3 spatial axes and out "
                f"divisible by groups; this parameter has shape {shape}"
            )
        out = shape[0] // self.groups
        kept = jnp.arange(min(out, shape[1]))
        centre = tuple(k // 2 for k in shape[2:])
        values = jnp.zeros(shape, dtype)
        for group in range(self.groups):
            values = values.at[(group * out + kept, kept, *centre)].set(1)
        return values


@dataclasses.dataclass(frozen=True)
class orthogonal:
    """A (semi-)orthogonal matrix [out, in * kernel], times `gain` (Saxe et al. 2013, https://arxiv.org/abs/1312.6120)."""

    gain: float = 1.0

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        if len(shape) < 2:
            raise ValueError(f"orthogonal initialises weights with at least two axes; this parameter has shape {shape}")
        rows, columns = shape[0], math.prod(shape[1:])
        gaussian = jax.random.normal(key, (max(rows, columns), min(rows, columns)), accumulation_dtype(dtype))
        q, r = jnp.linalg.qr(gaussian)
        q = q * jnp.sign(jnp.diagonal(r))[None, :]  # makes the distribution uniform over orthogonal matrices
        return (self.gain * (q.T if rows < columns else q)).reshape(shape).astype(dtype)


@dataclasses.dataclass(frozen=True)
class sparse:
    """A matrix with a fraction `sparsity` of zeros in each column and normal values elsewhere (Martens 2010)."""

    sparsity: float
    std: float = 0.01

    def __call__(self, key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        if len(shape) != 2:
            raise ValueError(f"sparse initialises matrices; this parameter has shape {shape}")
        values_key, order_key = jax.random.split(key)
        rank = jnp.argsort(jnp.argsort(jax.random.uniform(order_key, shape), axis=0), axis=0)
        zero = rank < math.ceil(self.sparsity * shape[0])
        return jnp.where(zero, jnp.zeros((), dtype), self.std * jax.random.normal(values_key, shape, dtype))
