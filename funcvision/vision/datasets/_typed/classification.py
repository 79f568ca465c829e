"""The adapter of data sets with one class for each image."""

from typing import Any

from .registry import adapter, image_leaf

__all__: list[str] = []


@adapter(
    "CIFAR10", "Caltech256", "DatasetFolder", "FakeData", "GTSRB", "ImageNet", "Imagenette", "MNIST"
)  # fmt: skip
def classification(dataset: Any, index: int, sample: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """An image and its class."""
    image, label = sample
    return {"image": image_leaf(image), "label": label}
