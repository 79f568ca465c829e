"""Initial values that several families share, as rules for `Module.with_init`."""

from collections.abc import Mapping

from ... import nn
from ...nn import init
from ...nn.init import Initializer

__all__ = ["fan_out_normal"]


def fan_out_normal(layer: nn.Module) -> Mapping[str, Initializer]:
    """Kaiming normal by fan-out for convolutions (He et al. 2015), normal (0.01) for linear layers, zero for biases."""
    if isinstance(layer, nn.Conv2d):
        return {"weight": init.kaiming_normal(mode="fan_out"), "bias": init.zeros}
    if isinstance(layer, nn.Linear):
        return {"weight": init.normal(std=0.01), "bias": init.zeros}
    return {}
