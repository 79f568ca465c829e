"""Readers of the published image data sets, with torchvision's names and folder layouts."""

from .carla_stereo import CarlaStereo
from .cifar import CIFAR10, CIFAR100
from .cityscapes import Cityscapes
from .coco import CocoCaptions, CocoDetection
from .crestereo import CREStereo
from .dataset import VisionDataset
from .emnist import EMNIST
from .eth3d import ETH3DStereo
from .fake import FakeData
from .falling_things import FallingThingsStereo
from .flying_chairs import FlyingChairs
from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .hd1k import HD1K
from .instereo2k import InStereo2k
from .kitti import Kitti
from .kitti_stereo import Kitti2012Stereo, Kitti2015Stereo, KittiFlow
from .middlebury import Middlebury2014Stereo
from .mnist import KMNIST, MNIST, FashionMNIST
from .qmnist import QMNIST
from .sbd import SBDataset
from .scene_flow import FlyingThings3D, SceneFlowStereo
from .sintel import Sintel, SintelStereo
from .typed import TypedDataset, typed, wrap_dataset_for_transforms_v2
from .voc import VOCDetection, VOCSegmentation

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "CREStereo",
    "CarlaStereo",
    "Cityscapes",
    "CocoCaptions",
    "CocoDetection",
    "DatasetFolder",
    "EMNIST",
    "ETH3DStereo",
    "FakeData",
    "FallingThingsStereo",
    "FashionMNIST",
    "FlyingChairs",
    "FlyingThings3D",
    "HD1K",
    "IMG_EXTENSIONS",
    "ImageFolder",
    "InStereo2k",
    "KMNIST",
    "Kitti",
    "Kitti2012Stereo",
    "Kitti2015Stereo",
    "KittiFlow",
    "MNIST",
    "Middlebury2014Stereo",
    "QMNIST",
    "SBDataset",
    "SceneFlowStereo",
    "Sintel",
    "SintelStereo",
    "TypedDataset",
    "VOCDetection",
    "VOCSegmentation",
    "VisionDataset",
    "default_loader",
    "typed",
    "wrap_dataset_for_transforms_v2",
]
