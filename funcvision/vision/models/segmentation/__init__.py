"""Semantic segmentation: models that give every pixel the logits of its class."""

from .deeplabv3 import (
    DeepLabHead,
    DeepLabV3,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)
from .fcn import FCN, FCNHead, fcn_resnet50, fcn_resnet101
from .lraspp import LRASPP, lraspp_mobilenet_v3_large
from .predictor import Predictor, predict

__all__ = [
    "DeepLabHead", "DeepLabV3", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50", "deeplabv3_resnet101",
    "FCN", "FCNHead", "fcn_resnet50", "fcn_resnet101",
    "Predictor", "predict",
    "LRASPP", "lraspp_mobilenet_v3_large",
]
