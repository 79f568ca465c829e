"""Initial values that several families share, as rules for `Module.with_init`."""

from collections.abc import Callable, Mapping

from ... import nn
from ...nn import init
from ...nn.init import Initializer

__all__ = ["conv_weights", "fan_out_normal", "narrow_linear"]

Rule = Callable[[nn.Module], Mapping[str, Initializer]]


def fan_out_normal(layer: nn.Module) -> Mapping[str, Initializer]:
    """Kaiming normal by fan-out for convolutions (He et al. 2015), normal (0.01) for linear layers, zero for biases."""
    if isinstance(layer, nn.Conv2d):
        return {"weight": init.kaiming_normal(mode="fan_out"), "bias": init.zeros}
    if isinstance(layer, nn.Linear):
        return {"weight": init.normal(std=0.01), "bias": init.zeros}
    return {}


def conv_weights(weight: Initializer) -> Rule:
    """The rule that gives convolutions these initial weights, and zero biases."""

    def rule(layer: nn.Module) -> Mapping[str, Initializer]:
        return {"weight": weight, "bias": init.zeros} if isinstance(layer, nn.Conv2d) else {}

    return rule


def narrow_linear(layer: nn.Module) -> Mapping[str, Initializer]:
    """Truncated normal (0.02) for linear layers, as in transformers; zero for their biases."""
    return {"weight": init.trunc_normal(std=0.02), "bias": init.zeros} if isinstance(layer, nn.Linear) else {}
