"""Readers of the published image data sets, with torchvision's names and folder layouts."""

from ._published import PublishedDataset, Resource
from .caltech import Caltech101, Caltech256
from .carla_stereo import CarlaStereo
from .catalogue import DatasetInfo, describe, list_datasets
from .celeba import CelebA
from .cifar import CIFAR10, CIFAR100
from .cityscapes import Cityscapes
from .clevr import CLEVRClassification
from .clip_samplers import RandomClipSampler, UniformClipSampler
from .coco import CocoCaptions, CocoDetection
from .country211 import Country211
from .crestereo import CREStereo
from .dataset import VisionDataset
from .dtd import DTD
from .emnist import EMNIST
from .eth3d import ETH3DStereo
from .eurosat import EuroSAT
from .fake import FakeData
from .falling_things import FallingThingsStereo
from .fer2013 import FER2013
from .fgvc_aircraft import FGVCAircraft
from .flickr import Flickr8k, Flickr30k
from .flowers102 import Flowers102
from .flying_chairs import FlyingChairs
from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .food101 import Food101
from .gtsrb import GTSRB
from .hd1k import HD1K
from .hmdb51 import HMDB51
from .huggingface import HuggingFaceDataset, from_huggingface
from .imagenet import ImageNet
from .imagenette import Imagenette
from .inaturalist import INaturalist
from .instereo2k import InStereo2k
from .kinetics import Kinetics
from .kitti import Kitti
from .kitti_stereo import Kitti2012Stereo, Kitti2015Stereo, KittiFlow
from .lfw import LFWPairs, LFWPeople
from .load import load
from .lsun import LSUN, LSUNClass
from .middlebury import Middlebury2014Stereo
from .mnist import KMNIST, MNIST, FashionMNIST
from .moving_mnist import MovingMNIST
from .omniglot import Omniglot
from .oxford_iiit_pet import OxfordIIITPet
from .pcam import PCAM
from .phototour import PhotoTour
from .places365 import Places365
from .qmnist import QMNIST
from .rendered_sst2 import RenderedSST2
from .sbd import SBDataset
from .sbu import SBU
from .scene_flow import FlyingThings3D, SceneFlowStereo
from .semeion import SEMEION
from .sintel import Sintel, SintelStereo
from .stanford_cars import StanfordCars
from .stl10 import STL10
from .sun397 import SUN397
from .svhn import SVHN
from .typed import TypedDataset, typed, wrap_dataset_for_transforms_v2
from .ucf101 import UCF101
from .usps import USPS
from .video_clips import VideoClips
from .voc import VOCDetection, VOCSegmentation
from .webdataset import WebDataset
from .widerface import WIDERFace

__all__ = [
    "CIFAR10", "CIFAR100", "CLEVRClassification", "CREStereo", "Caltech101", "Caltech256", "CarlaStereo", "CelebA",
    "Cityscapes", "CocoCaptions", "CocoDetection", "Country211", "DTD", "DatasetFolder", "DatasetInfo", "EMNIST",
    "ETH3DStereo", "EuroSAT", "FER2013", "FGVCAircraft", "FakeData", "FallingThingsStereo", "FashionMNIST", "Flickr30k",
    "Flickr8k", "Flowers102", "FlyingChairs", "FlyingThings3D", "Food101", "GTSRB", "HD1K", "HMDB51",
    "HuggingFaceDataset", "IMG_EXTENSIONS", "INaturalist", "ImageFolder", "ImageNet", "Imagenette", "InStereo2k",
    "KMNIST", "Kinetics", "Kitti", "Kitti2012Stereo", "Kitti2015Stereo", "KittiFlow", "LFWPairs", "LFWPeople", "LSUN",
    "LSUNClass", "MNIST", "Middlebury2014Stereo", "MovingMNIST", "Omniglot", "OxfordIIITPet", "PCAM", "PhotoTour",
    "Places365", "PublishedDataset", "QMNIST", "RandomClipSampler", "RenderedSST2", "Resource", "SBDataset", "SBU",
    "SEMEION", "STL10", "SUN397", "SVHN", "SceneFlowStereo", "Sintel", "SintelStereo", "StanfordCars", "TypedDataset",
    "UCF101", "USPS", "UniformClipSampler", "VOCDetection", "VOCSegmentation", "VideoClips", "VisionDataset",
    "WIDERFace", "WebDataset", "default_loader", "describe", "from_huggingface", "list_datasets", "load", "typed",
    "wrap_dataset_for_transforms_v2",
]
