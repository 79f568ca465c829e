"""Weight normalisation by a hook before `forward`, under torch's older names of parameters."""

from typing import Any, TypeVar

from ..module import Module
from ..parameter import Parameter
from ._norms import norm_except_dim
from ._norms import weight_norm as computed

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]

M = TypeVar("M", bound=Module)


class WeightNorm:
    """The hook that computes the weight before each call of a module.

    Args:
        name: the name of the weight.
        dim: the axis whose slices have norms of their own; -1 for one norm of all.
    """

    def __init__(self, name: str, dim: int):
        self.name, self.dim = name, dim

    def compute_weight(self, module: Module) -> Any:
        """The weight, from its direction and its norm."""
        return computed(getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim)

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Replaces a weight by its norm `weight_g` and its direction `weight_v` (Salimans and Kingma 2016).

    See https://arxiv.org/abs/1602.07868. `parametrizations.weight_norm` is the newer form.

    Args:
        module: the module, which changes.
        name: the name of the weight.
        dim: the axis whose slices have norms of their own; None for one norm of all.

    Raises:
        RuntimeError: the weight is normalised already.
    """
    if _hook_of(module, name) is not None:
        raise RuntimeError(f"Cannot register two weight_norm hooks on the same parameter {name}")
    hook = WeightNorm(name, -1 if dim is None else dim)
    weight = getattr(module, name)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight.detach(), hook.dim)))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    hook(module, None)
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Makes a normalised weight a parameter again.

    Raises:
        ValueError: the weight is not normalised.
    """
    key = _hook_of(module, name)
    if key is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    hook = module._hooks["forward_pre"].pop(key)[0]
    weight = hook.compute_weight(module)
    for attribute in (name, f"{name}_g", f"{name}_v"):
        delattr(module, attribute)
    module.register_parameter(name, Parameter(weight.detach()))
    return module


def _hook_of(module: Module, name: str) -> int | None:
    """The key of the hook for this weight; None if there is none."""
    hooks = module._hooks.get("forward_pre", {}).items()
    found = (key for key, (hook, _) in hooks if isinstance(hook, WeightNorm) and hook.name == name)
    return next(found, None)
