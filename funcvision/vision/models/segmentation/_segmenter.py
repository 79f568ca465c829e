"""What the models for semantic segmentation share: a backbone, and heads whose outputs are enlarged to the image."""

from collections.abc import Mapping
from typing import Any

import jax

from .... import functional as F
from .... import nn
from .._intermediate_layers import IntermediateLayers
from .._zoo.backbones import mobilenet_backbone, resnet_backbone
from .._zoo.registry import get_model

__all__ = ["MOBILENET", "RESNET50", "RESNET101", "Segmenter", "dilated_resnet", "enlarged", "read_options"]

RESNET50, RESNET101 = (resnet_backbone(name, "backbone.") for name in ("resnet50", "resnet101"))
MOBILENET = mobilenet_backbone("mobilenet_v3_large", "backbone.", (0, 2, 4, 7, 13, 16), 17)


class Segmenter(nn.Module):
    """A backbone, a head, and in training often a second head on an earlier feature map.

    Args:
        backbone: maps images [batch, height, width, channels] to a dict with the feature map "out", and "aux" for the
            second head.
        classifier: the head, which maps a feature map to logits.
        aux_classifier: the second head; None for none.
    """

    def __init__(self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None):
        self.backbone, self.classifier, self.aux_classifier = backbone, classifier, aux_classifier

    def forward(self, x: jax.Array) -> dict[str, jax.Array]:
        """Maps images [batch, height, width, channels] to logits "out", and "aux" of the second head.

        Both are [batch, height, width, classes].
        """
        maps = self.backbone(x)
        result = {"out": enlarged(self.classifier(maps["out"]), x)}
        if self.aux_classifier is not None:
            result["aux"] = enlarged(self.aux_classifier(maps["aux"]), x)
        return result


def enlarged(logits: jax.Array, like: jax.Array) -> jax.Array:
    """Feature maps [batch, height, width, channels] in the height and width of others."""
    return F.interpolate(logits, size=like.shape[1:3], mode="bilinear")


def dilated_resnet(name: str, aux: bool, **options: Any) -> IntermediateLayers:
    """A ResNet whose last two stages keep the resolution; its maps "out" and, for a second head, "aux"."""
    resnet = get_model(name, replace_stride_with_dilation=(False, True, True), **options)
    return IntermediateLayers(resnet, {"layer3": "aux", "layer4": "out"} if aux else {"layer4": "out"})


def read_options(logits: str) -> Any:
    """For `register`: a function that reads the number of classes, and whether there is a second head.

    Args:
        logits: name of the tensor whose first axis is the number of classes.
    """

    def read(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
        options: dict[str, Any] = {"num_classes": shapes[logits][0]} if logits in shapes else {}
        if any(name.startswith("aux_classifier.") for name in shapes):
            options["aux_loss"] = True
        return options

    return read
