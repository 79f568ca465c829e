"""Readers of the published image data sets, with torchvision's names and folder layouts."""

from .caltech import Caltech101, Caltech256
from .celeba import CelebA
from .cifar import CIFAR10, CIFAR100
from .clevr import CLEVRClassification
from .country211 import Country211
from .dataset import VisionDataset
from .dtd import DTD
from .emnist import EMNIST
from .eurosat import EuroSAT
from .fake import FakeData
from .fer2013 import FER2013
from .fgvc_aircraft import FGVCAircraft
from .flickr import Flickr8k, Flickr30k
from .flowers102 import Flowers102
from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .food101 import Food101
from .gtsrb import GTSRB
from .imagenet import ImageNet
from .imagenette import Imagenette
from .inaturalist import INaturalist
from .lfw import LFWPairs, LFWPeople
from .lsun import LSUN, LSUNClass
from .mnist import KMNIST, MNIST, FashionMNIST
from .moving_mnist import MovingMNIST
from .omniglot import Omniglot
from .oxford_iiit_pet import OxfordIIITPet
from .pcam import PCAM
from .phototour import PhotoTour
from .places365 import Places365
from .qmnist import QMNIST
from .rendered_sst2 import RenderedSST2
from .sbu import SBU
from .semeion import SEMEION
from .stanford_cars import StanfordCars
from .stl10 import STL10
from .sun397 import SUN397
from .svhn import SVHN
from .usps import USPS
from .widerface import WIDERFace

__all__ = [
    "CIFAR10", "CIFAR100", "CLEVRClassification", "Caltech101", "Caltech256", "CelebA", "Country211", "DTD",
    "DatasetFolder", "EMNIST", "EuroSAT", "FER2013", "FGVCAircraft", "FakeData", "FashionMNIST", "Flickr30k",
    "Flickr8k", "Flowers102", "Food101", "GTSRB", "IMG_EXTENSIONS", "INaturalist", "ImageFolder", "ImageNet",
    "Imagenette", "KMNIST", "LFWPairs", "LFWPeople", "LSUN", "LSUNClass", "MNIST", "MovingMNIST", "Omniglot",
    "OxfordIIITPet", "PCAM", "PhotoTour", "Places365", "QMNIST", "RenderedSST2", "SBU", "SEMEION", "STL10", "SUN397",
    "SVHN", "StanfordCars", "USPS", "VisionDataset", "WIDERFace", "default_loader",
]
