"""Detectors: torchvision's, with fixed shapes inside `jit`."""

from .anchors import AnchorGenerator, DefaultBoxGenerator
from .backbones import BackboneWithFPN, mobilenet_backbone, resnet_fpn_backbone
from .batch import DetectionBatch, Detector, Preparation, Targets, batch
from .detections import Detections, predict
from .retinanet import RetinaNet, RetinaNetHead, retinanet_resnet50_fpn, retinanet_resnet50_fpn_v2

__all__ = [
    "DetectionBatch", "Detections", "Detector", "Preparation", "Targets", "batch", "predict",
    "AnchorGenerator", "DefaultBoxGenerator",
    "BackboneWithFPN", "mobilenet_backbone", "resnet_fpn_backbone",
    "RetinaNet", "RetinaNetHead", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2",
]
