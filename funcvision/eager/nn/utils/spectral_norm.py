"""Spectral normalisation by a hook before `forward`, under torch's older names of parameters and buffers."""

from typing import Any, TypeVar

import jax

from ..._graph import no_grad
from ...random import next_key
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter
from ._norms import largest_singular_value, normalized, power_iteration

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

M = TypeVar("M", bound=Module)


class SpectralNorm:
    """The hook that divides the weight by its largest singular value before each call of a module.

    Args:
        name: the name of the weight.
        n_power_iterations: the number of power iterations at each call in training.
        dim: the axis of the rows of the weight as a matrix.
        eps: the least length that a vector is divided by.
    """

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float):
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got {n_power_iterations=}")
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Any:
        """The normalised weight. Power iterations change the buffers of the module."""
        weight, u, v = (getattr(module, self.name + suffix) for suffix in ("_orig", "_u", "_v"))
        if do_power_iteration:
            with no_grad():
                u, v = power_iteration(weight, u, v, self.dim, self.n_power_iterations, self.eps, True)
                getattr(module, f"{self.name}_u").array = u.array
                getattr(module, f"{self.name}_v").array = v.array
        return weight / largest_singular_value(weight, u.detach().clone(), v.detach().clone(), self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> M:
    """Divides a weight by its largest singular value (Miyato et al. 2018, https://arxiv.org/abs/1802.05957).

    The weight is stored as `weight_orig`, and approximate singular vectors as the buffers `weight_u` and `weight_v`.
    `parametrizations.spectral_norm` is the newer form.

    Args:
        module: the module, which changes.
        name: the name of the weight.
        n_power_iterations: the number of power iterations at each call in training.
        eps: the least length that a vector is divided by.
        dim: the axis of the rows of the weight as a matrix; by default the axis of the outputs.

    Raises:
        RuntimeError: the weight is normalised already.
        ValueError: `n_power_iterations` is not positive.
    """
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, rows_axis(module) if dim is None else dim, eps)
    weight = getattr(module, name)
    u, v = random_vectors(weight, hook.dim, eps)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Makes a normalised weight a parameter again.

    Raises:
        ValueError: the weight is not normalised.
    """
    key = _hook_of(module, name)
    if key is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    hook = module._hooks["forward_pre"].pop(key)[0]
    with no_grad():
        weight = hook.compute_weight(module, False)
    for attribute in (name, f"{name}_orig", f"{name}_u", f"{name}_v"):
        delattr(module, attribute)
    module.register_parameter(name, Parameter(weight))
    return module


def rows_axis(module: Module) -> int:
    """The axis of the outputs in the weight of a module: the second one in transposed convolutions."""
    return 1 if type(module).__name__.removeprefix("Parametrized").startswith("ConvTranspose") else 0


def random_vectors(weight: Tensor, dim: int, eps: float) -> tuple[Tensor, Tensor]:
    """Two random vectors of length 1, with the sizes of the singular vectors."""
    rows, dtype = weight.shape[dim], weight.array.dtype
    sizes = rows, weight.numel() // rows
    with no_grad():
        u, v = (normalized(Tensor.of(jax.random.normal(next_key(), (size,), dtype)), eps) for size in sizes)
    return u, v


def _hook_of(module: Module, name: str) -> int | None:
    """The key of the hook for this weight; None if there is none."""
    hooks = module._hooks.get("forward_pre", {}).items()
    found = (key for key, (hook, _) in hooks if isinstance(hook, SpectralNorm) and hook.name == name)
    return next(found, None)
