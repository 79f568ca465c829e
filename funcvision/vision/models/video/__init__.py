"""Classifiers of video clips [batch, time, height, width, channels]."""

from .resnet import VideoResNet, mc3_18, r2plus1d_18, r3d_18
from .s3d import S3D, s3d

__all__ = ["S3D", "VideoResNet", "mc3_18", "r2plus1d_18", "r3d_18", "s3d"]
