"""`torch.nn.init`: functions that write initial values to Tensors in place.

The values are those of the initialisers of `funcvision.nn.init`. The functions do not record operations, so they can
change leaves that require a gradient. Random numbers come from the global generator of the eager face (see
`manual_seed`), or from `generator`. They are not torch's numbers.
"""

import warnings
from typing import Any, Literal, TypeVar

import jax

from ...nn import init as pure
from ...nn.init import calculate_gain
from .._base import as_array
from .._graph import no_grad
from ..random import next_key
from ..tensor import Tensor
from ._initial_values import initial_value

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

T = TypeVar("T", bound=Tensor)
Mode = Literal["fan_in", "fan_out"]


def _initialize(tensor: T, initializer: pure.Initializer, generator: Any = None) -> T:
    """Writes the values of an initialiser."""
    array = as_array(tensor)
    key = next_key() if generator is None else _key(generator)
    with no_grad():
        tensor.array = initial_value(initializer, key, array.shape, array.dtype)
    return tensor


def _key(generator: Any) -> jax.Array:
    return generator if isinstance(generator, jax.Array) else generator.key()


def _is_empty(tensor: Tensor) -> bool:
    """Whether there is nothing to write, as in a layer without inputs. Like torch's, the functions then warn."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", UserWarning, 3)
        return True
    return False


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(fan in, fan out) of a weight. Scripts for torch use this name."""
    return pure.fans(tuple(tensor.shape))


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0, generator: Any = None) -> T:
    """Uniform between `a` and `b`."""
    return _initialize(tensor, pure.uniform(float(a), float(b)), generator)


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> T:
    """Normal with this mean and standard deviation."""
    return _initialize(tensor, pure.normal(float(mean), float(std)), generator)


def trunc_normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> T:
    """Normal, truncated to [a, b]. These are values, not numbers of standard deviations."""
    return _initialize(tensor, pure.trunc_normal(float(mean), float(std), float(a), float(b)), generator)


def constant_(tensor: T, val: float) -> T:
    """Every element is `val`."""
    with no_grad():
        tensor.fill_(val)
    return tensor


def ones_(tensor: T) -> T:
    """Every element is 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: T) -> T:
    """Every element is 0."""
    return constant_(tensor, 0.0)


def eye_(tensor: T) -> T:
    """The identity matrix.

    Raises:
        ValueError: the Tensor is not a matrix.
    """
    return _initialize(tensor, pure.eye())


def dirac_(tensor: T, groups: int = 1) -> T:
    """A kernel [out, in, *kernel] whose convolution is the identity on as many channels as possible in each group.

    Raises:
        ValueError: there are not 1 to 3 spatial axes, or `groups` does not divide the output channels.
    """
    return _initialize(tensor, pure.dirac(groups))


def xavier_uniform_(tensor: T, gain: float = 1.0, generator: Any = None) -> T:
    """Uniform with variance 2 gain^2 / (fan in + fan out) (Glorot and Bengio 2010)."""
    pure.fans(tuple(tensor.shape))
    return tensor if 0 in tensor.shape else _initialize(tensor, pure.xavier_uniform(float(gain)), generator)


def xavier_normal_(tensor: T, gain: float = 1.0, generator: Any = None) -> T:
    """Normal with variance 2 gain^2 / (fan in + fan out) (Glorot and Bengio 2010)."""
    pure.fans(tuple(tensor.shape))
    return tensor if 0 in tensor.shape else _initialize(tensor, pure.xavier_normal(float(gain)), generator)


def kaiming_uniform_(
    tensor: T, a: float = 0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> T:
    """Uniform with variance gain^2 / fan (He et al. 2015, https://arxiv.org/abs/1502.01852).

    Args:
        tensor: a weight [out, in, *kernel].
        a: the negative slope of the leaky ReLU that follows.
        mode: "fan_in" preserves the variance forward, "fan_out" backward.
        nonlinearity: torch's name of the function that follows.
        generator: where the random numbers come from.
    """
    if _is_empty(tensor):
        return tensor
    return _initialize(tensor, pure.kaiming_uniform(float(a), mode, nonlinearity), generator)


def kaiming_normal_(
    tensor: T, a: float = 0, mode: Mode = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> T:
    """Normal with variance gain^2 / fan (He et al. 2015, https://arxiv.org/abs/1502.01852).

    The arguments are those of `kaiming_uniform_`.
    """
    if _is_empty(tensor):
        return tensor
    return _initialize(tensor, pure.kaiming_normal(float(a), mode, nonlinearity), generator)


def orthogonal_(tensor: T, gain: float = 1, generator: Any = None) -> T:
    """A (semi-)orthogonal matrix [out, in * kernel] times `gain` (Saxe et al., https://arxiv.org/abs/1312.6120)."""
    if len(tensor.shape) >= 2 and 0 in tensor.shape:
        return tensor
    return _initialize(tensor, pure.orthogonal(float(gain)), generator)


def sparse_(tensor: T, sparsity: float, std: float = 0.01, generator: Any = None) -> T:
    """A matrix with a fraction `sparsity` of zeros in each column and normal values elsewhere (Martens 2010)."""
    return _initialize(tensor, pure.sparse(float(sparsity), float(std)), generator)
