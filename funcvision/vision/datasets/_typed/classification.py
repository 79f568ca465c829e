"""Adapters of data sets with classes of images, or of pairs of images."""

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


@adapter("INaturalist")
def inaturalist(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """The species, or groups of species: what `target_type` asks for."""
    image, target = sample
    kinds = dataset.target_type
    labels = target if len(kinds) > 1 else (target,)
    named = {"label" if kind == "full" else kind: label for kind, label in zip(kinds, labels)}
    return {"image": image_leaf(image), **named}


@adapter("LFWPairs")
def lfw_pairs(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Two photos, and whether they show the same person."""
    first, second, same = sample
    return {"image1": image_leaf(first), "image2": image_leaf(second), "label": same}
