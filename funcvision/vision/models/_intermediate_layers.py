"""Feature maps from the middle of a classifier, for models that are built on one."""

from collections.abc import Mapping
from typing import Any

import jax

from ... import nn

__all__ = ["IntermediateLayers", "feature_stages"]


class IntermediateLayers(nn.Module):
    """The outputs of some children of a module that calls its children in their order.

    The children after the last of these are left out, and the others keep their names.

    Args:
        model: such as a ResNet, or the `features` of a MobileNet.
        return_layers: from names of children to keys of the result.
    """

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]):
        children = model.children()
        if unknown := return_layers.keys() - children.keys():
            missing, there = ", ".join(sorted(unknown)), ", ".join(children)
            raise ValueError(f"{type(model).__name__} has no {missing}; it has {there}")
        last = max(list(children).index(name) for name in return_layers)
        for name in list(children)[: last + 1]:
            setattr(self, name, children[name])
        self._return_layers = dict(return_layers)

    def forward(self, x: jax.Array) -> dict[str, jax.Array]:
        """Maps [batch, height, width, channels] to a dict of feature maps, in the order of the children."""
        found = {}
        for name, child in self.children().items():
            x = child(x)
            if name in self._return_layers:
                found[self._return_layers[name]] = x
        return found


def feature_stages(features: Any) -> list[int]:
    """Indices in the `features` of a MobileNet: the stem, the blocks that reduce the resolution, the last one."""
    reducing = [i for i, block in enumerate(features) if getattr(block, "reduces_resolution", False)]
    return [0, *reducing, len(features) - 1]
