"""Classifiers of video clips [batch, time, height, width, channels]."""

from .mvit import MViT, mvit_v1_b, mvit_v2_s
from .predictor import Predictor
from .resnet import VideoResNet, mc3_18, r2plus1d_18, r3d_18
from .s3d import S3D, s3d
from .swin_transformer import SwinTransformer3d, swin3d_b, swin3d_s, swin3d_t

__all__ = [
    "MViT", "mvit_v1_b", "mvit_v2_s",
    "Predictor",
    "S3D", "s3d",
    "SwinTransformer3d", "swin3d_b", "swin3d_s", "swin3d_t",
    "VideoResNet", "mc3_18", "r2plus1d_18", "r3d_18",
]
