"""Detectors: torchvision's, with fixed shapes inside `jit`."""

from .anchors import AnchorGenerator, DefaultBoxGenerator
from .backbones import BackboneWithFPN, mobilenet_backbone, resnet_fpn_backbone
from .batch import DetectionBatch, Detector, Preparation, Targets, batch
from .detections import Detections, predict
from .faster_rcnn import (
    FasterRCNN,
    FastRCNNConvFCHead,
    FastRCNNPredictor,
    TwoMLPHead,
    fasterrcnn_mobilenet_v3_large_320_fpn,
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
)
from .fcos import FCOS, FCOSHead, fcos_resnet50_fpn
from .keypoint_rcnn import KeypointRCNN, KeypointRCNNHeads, KeypointRCNNPredictor, keypointrcnn_resnet50_fpn
from .mask_rcnn import MaskRCNN, MaskRCNNHeads, MaskRCNNPredictor, maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
from .predictor import Predictor
from .retinanet import RetinaNet, RetinaNetHead, retinanet_resnet50_fpn, retinanet_resnet50_fpn_v2
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .ssd import SSD, SSDFeatureExtractorVGG, SSDHead, SSDScoringHead, ssd300_vgg16
from .ssdlite import SSDLiteFeatureExtractorMobileNet, SSDLiteHead, ssdlite320_mobilenet_v3_large

__all__ = [
    "DetectionBatch", "Detections", "Detector", "Predictor", "Preparation", "Targets", "batch",
    "predict",
    "AnchorGenerator", "DefaultBoxGenerator",
    "BackboneWithFPN", "mobilenet_backbone", "resnet_fpn_backbone",
    "RPNHead", "RegionProposalNetwork", "RoIHeads",
    "FastRCNNConvFCHead", "FastRCNNPredictor", "FasterRCNN", "TwoMLPHead", "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2",
    "FCOS", "FCOSHead", "fcos_resnet50_fpn",
    "KeypointRCNN", "KeypointRCNNHeads", "KeypointRCNNPredictor", "keypointrcnn_resnet50_fpn",
    "MaskRCNN", "MaskRCNNHeads", "MaskRCNNPredictor", "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2",
    "RetinaNet", "RetinaNetHead", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2",
    "SSD", "SSDFeatureExtractorVGG", "SSDHead", "SSDScoringHead", "ssd300_vgg16",
    "SSDLiteFeatureExtractorMobileNet", "SSDLiteHead", "ssdlite320_mobilenet_v3_large",
]
