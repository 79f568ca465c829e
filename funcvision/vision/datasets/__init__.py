"""Readers of the published image data sets, with torchvision's names and folder layouts."""

from funcvision.vision.datasets.cifar import CIFAR10, CIFAR100
from funcvision.vision.datasets.dataset import VisionDataset
from funcvision.vision.datasets.fake import FakeData
from funcvision.vision.datasets.folder import IMG_EXTENSIONS, DatasetFolder, ImageFolder, default_loader
from funcvision.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST

__all__ = [
    "CIFAR10", "CIFAR100", "EMNIST", "IMG_EXTENSIONS", "KMNIST", "MNIST", "QMNIST", "DatasetFolder", "FakeData",
    "FashionMNIST", "ImageFolder", "VisionDataset", "default_loader",
]  # fmt: skip
