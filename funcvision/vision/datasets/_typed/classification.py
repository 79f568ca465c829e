"""The adapter of data sets with one class for each image."""

from typing import Any

from .registry import adapter, image_leaf

__all__: list[str] = []


@adapter(
    "CIFAR10", "CLEVRClassification", "Caltech256", "Country211", "DTD", "DatasetFolder", "EuroSAT", "FER2013",
    "FGVCAircraft", "FakeData", "Flowers102", "Food101", "GTSRB", "ImageNet", "Imagenette", "LFWPeople", "MNIST",
    "Omniglot", "PCAM", "Places365", "RenderedSST2", "SEMEION", "STL10", "SUN397", "SVHN", "StanfordCars", "USPS",
)  # fmt: skip
def classification(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """An image and its class."""
    image, label = sample
    return {"image": image_leaf(image), "label": label}
