"""Training only some parameters of a model."""

import fnmatch
from collections.abc import Mapping
from typing import Any

from .registry import backbone_of, get_model

__all__ = ["freeze", "freeze_backbone"]


def freeze(params: Mapping[str, Any], *patterns: str) -> dict[str, bool]:
    """A mask for optax: True for the parameters that are frozen.

    `optax.masked(optax.set_to_zero(), mask)`, last in a chain, sets their updates to zero. Running statistics are not
    parameters: training changes them in frozen layers too.

    Args:
        params: the parameters by name.
        patterns: names to freeze, with wildcards as in `fnmatch`, such as "layer1.*".

    Raises:
        ValueError: a pattern matches no parameter.

    >>> freeze({"conv1.weight": 0, "fc.weight": 0, "fc.bias": 0}, "conv1.*", "*.bias")
    {'conv1.weight': True, 'fc.weight': False, 'fc.bias': True}
    """
    for pattern in patterns:
        if not fnmatch.filter(params, pattern):
            raise ValueError(f"no parameter matches {pattern!r}; there are {', '.join(list(params)[:8])}, ...")
    return {name: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) for name in params}


def freeze_backbone(name: str, params: Mapping[str, Any], trainable_backbone_layers: int) -> dict[str, bool]:
    """A mask for optax, as `freeze`: True for the parameters of the first stages of a model's backbone.

    torchvision trains the last three stages of a detector's ResNet whose weights were trained on ImageNet.

    Args:
        name: of the model, such as "fasterrcnn_resnet50_fpn".
        params: its parameters by name.
        trainable_backbone_layers: how many of the last stages are trained; the first stage is the stem.

    Raises:
        ValueError: the model has no backbone, or not as many stages.

    >>> from funcvision.vision import models
    >>> params = models.get_model("fcn_resnet50").declarations()
    >>> frozen = freeze_backbone("fcn_resnet50", params, 3)
    >>> frozen["backbone.layer1.0.conv1.weight"], frozen["backbone.layer2.0.conv1.weight"]
    (True, False)
    """
    backbone = backbone_of(name)
    count = len(backbone.stages)
    if not 0 <= trainable_backbone_layers <= count:
        raise ValueError(
            f"trainable_backbone_layers={trainable_backbone_layers}: {backbone.classifier} has {count} stages, so it "
            f"takes 0 to {count}"
        )
    starts = tuple(start for stage in backbone.stages[trainable_backbone_layers:] for start in stage)
    fixed = {backbone.rename(own) for own in get_model(backbone.classifier).declarations() if own.startswith(starts)}
    return {name: name in fixed for name in params}
