"""torchvision's operators: blocks of models, regularisation, boxes, suppression, regions of interest, deformation."""

from .blocks import (
    MLP,
    Conv2dNormActivation,
    Conv3dNormActivation,
    FrozenBatchNorm2d,
    Permute,
    SqueezeExcitation,
)
from .box_fusion import weighted_box_fusion
from .boxes import BoxFormat, box_area, box_convert, clip_boxes_to_image, masks_to_boxes, remove_small_boxes
from .deform_conv import DeformConv2d, deform_conv2d
from .drop import DropBlock2d, DropBlock3d, StochasticDepth, drop_block2d, drop_block3d, stochastic_depth
from .feature_pyramid import ExtraFPNBlock, FeaturePyramidNetwork, LastLevelMaxPool, LastLevelP6P7
from .iou import box_iou, complete_box_iou, distance_box_iou, generalized_box_iou
from .losses import complete_box_iou_loss, distance_box_iou_loss, generalized_box_iou_loss, sigmoid_focal_loss
from .nms import batched_nms, nms
from .poolers import MultiScaleRoIAlign
from .ps_roi import PSRoIAlign, PSRoIPool, ps_roi_align, ps_roi_pool
from .roi_align import RoIAlign, roi_align
from .roi_pool import RoIPool, roi_pool
from .soft_nms import soft_nms

__all__ = [
    "Conv2dNormActivation", "Conv3dNormActivation", "FrozenBatchNorm2d", "MLP", "Permute", "SqueezeExcitation",
    "DropBlock2d", "DropBlock3d", "StochasticDepth", "drop_block2d", "drop_block3d", "stochastic_depth",
    "BoxFormat", "box_area", "box_convert", "clip_boxes_to_image", "masks_to_boxes", "remove_small_boxes",
    "box_iou", "complete_box_iou", "distance_box_iou", "generalized_box_iou",
    "complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss", "sigmoid_focal_loss",
    "batched_nms", "nms", "soft_nms", "weighted_box_fusion",
    "PSRoIAlign", "PSRoIPool", "RoIAlign", "RoIPool", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool",
    "ExtraFPNBlock", "FeaturePyramidNetwork", "LastLevelMaxPool", "LastLevelP6P7", "MultiScaleRoIAlign",
    "DeformConv2d", "deform_conv2d",
]
