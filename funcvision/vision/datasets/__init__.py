"""Readers of the published image data sets, with torchvision's names and folder layouts."""

from .cifar import CIFAR10, CIFAR100
from .dataset import VisionDataset
from .emnist import EMNIST
from .fake import FakeData
from .folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from .mnist import KMNIST, MNIST, FashionMNIST
from .qmnist import QMNIST

__all__ = [
    "CIFAR10", "CIFAR100", "EMNIST", "IMG_EXTENSIONS", "KMNIST", "MNIST", "QMNIST", "DatasetFolder", "FakeData",
    "FashionMNIST", "ImageFolder", "VisionDataset", "default_loader",
]  # fmt: skip
