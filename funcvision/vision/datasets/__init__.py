"""Readers of the published image data sets, with torchvision's names and folder layouts."""

from .celeba import CelebA
from .cifar import CIFAR10, CIFAR100
from .dataset import VisionDataset
from .emnist import EMNIST
from .fake import FakeData
from .fer2013 import FER2013
from .flickr import Flickr8k, Flickr30k
from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .lfw import LFWPairs, LFWPeople
from .lsun import LSUN, LSUNClass
from .mnist import KMNIST, MNIST, FashionMNIST
from .moving_mnist import MovingMNIST
from .pcam import PCAM
from .phototour import PhotoTour
from .qmnist import QMNIST
from .sbu import SBU
from .semeion import SEMEION
from .stl10 import STL10
from .svhn import SVHN
from .usps import USPS
from .widerface import WIDERFace

__all__ = [
    "CIFAR10", "CIFAR100", "EMNIST", "FER2013", "IMG_EXTENSIONS", "KMNIST", "LSUN", "MNIST", "PCAM", "QMNIST", "SBU",
    "SEMEION", "STL10", "SVHN", "USPS", "CelebA", "DatasetFolder", "FakeData", "FashionMNIST", "Flickr8k", "Flickr30k",
    "ImageFolder", "LFWPairs", "LFWPeople", "LSUNClass", "MovingMNIST", "PhotoTour", "VisionDataset", "WIDERFace",
    "default_loader",
]  # fmt: skip
