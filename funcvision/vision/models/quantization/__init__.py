"""torchvision's quantised models: descriptions that are of floating-point numbers, or of integers (`quantize=True`)."""

from .googlenet import QuantizableGoogLeNet, googlenet
from .inception import QuantizableInception3, inception_v3
from .mobilenetv2 import QuantizableMobileNetV2, mobilenet_v2
from .mobilenetv3 import QuantizableMobileNetV3, mobilenet_v3_large
from .resnet import QuantizableResNet, resnet18, resnet50, resnext101_32x8d, resnext101_64x4d
from .shufflenetv2 import (
    QuantizableShuffleNetV2,
    shufflenet_v2_x0_5,
    shufflenet_v2_x1_0,
    shufflenet_v2_x1_5,
    shufflenet_v2_x2_0,
)

__all__ = [
    "QuantizableGoogLeNet", "googlenet",
    "QuantizableInception3", "inception_v3",
    "QuantizableMobileNetV2", "mobilenet_v2",
    "QuantizableMobileNetV3", "mobilenet_v3_large",
    "QuantizableResNet", "resnet18", "resnet50", "resnext101_32x8d", "resnext101_64x4d",
    "QuantizableShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
]
