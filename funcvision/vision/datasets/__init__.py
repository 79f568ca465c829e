"""Readers of the published image data sets, with torchvision's names and folder layouts."""

from .caltech import Caltech101, Caltech256
from .cifar import CIFAR10, CIFAR100
from .clevr import CLEVRClassification
from .country211 import Country211
from .dataset import VisionDataset
from .dtd import DTD
from .emnist import EMNIST
from .eurosat import EuroSAT
from .fake import FakeData
from .fgvc_aircraft import FGVCAircraft
from .flowers102 import Flowers102
from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .food101 import Food101
from .gtsrb import GTSRB
from .imagenet import ImageNet
from .imagenette import Imagenette
from .inaturalist import INaturalist
from .mnist import KMNIST, MNIST, FashionMNIST
from .omniglot import Omniglot
from .oxford_iiit_pet import OxfordIIITPet
from .places365 import Places365
from .qmnist import QMNIST
from .rendered_sst2 import RenderedSST2
from .stanford_cars import StanfordCars
from .sun397 import SUN397

__all__ = [
    "CIFAR10", "CIFAR100", "DTD", "EMNIST", "GTSRB", "IMG_EXTENSIONS", "KMNIST", "MNIST", "QMNIST", "SUN397",
    "CLEVRClassification", "Caltech101", "Caltech256", "Country211", "DatasetFolder", "EuroSAT", "FGVCAircraft",
    "FakeData", "FashionMNIST", "Flowers102", "Food101", "INaturalist", "ImageFolder", "ImageNet", "Imagenette",
    "Omniglot", "OxfordIIITPet", "Places365", "RenderedSST2", "StanfordCars", "VisionDataset", "default_loader",
]  # fmt: skip
