"""The classifiers that other models are built on: whose weights they can start from, and which layers stay frozen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Backbone", "mobilenet_backbone", "resnet_backbone"]


@dataclass(frozen=True)
class Backbone:
    """A classifier inside of another model.

    Attributes:
        classifier: the name of the classifier, such as "resnet50".
        rename: from the name of one of its arrays to the name in the model. Names that the model does not declare are
            left out.
        stages: for each stage of the classifier the beginnings of its names, the last stage first.
        options: of the model's builder that go with trained weights, such as frozen norms.
    """

    classifier: str
    rename: Callable[[str], str]
    stages: Sequence[Sequence[str]]
    options: Mapping[str, Any] = field(default_factory=dict)


def resnet_backbone(classifier: str, prefix: str, *, frozen_norms: bool = False) -> Backbone:
    """A ResNet.

    Args:
        classifier: its name.
        prefix: before its names in the model.
        frozen_norms: whether the norms are frozen with trained weights.
    """
    stages = [[f"layer{number}."] for number in (4, 3, 2, 1)]
    options = {"frozen_eps": 1e-5} if frozen_norms else {}
    return Backbone(classifier, lambda name: prefix + name, [*stages, ["conv1.", "bn1."]], options)


def mobilenet_backbone(
    classifier: str, prefix: str, starts: Sequence[int], count: int, *, frozen_norms: bool = False
) -> Backbone:
    """A MobileNet, whose names in the model are those of its `features`.

    Args:
        classifier: its name.
        prefix: before its names in the model.
        starts: the index of the first block of each stage.
        count: the number of blocks.
        frozen_norms: whether the norms are frozen with trained weights.
    """
    options = {"frozen_eps": 1e-5} if frozen_norms else {}
    stages = numbered_stages(starts, count)
    return Backbone(classifier, lambda name: prefix + name.removeprefix("features."), stages, options)


def numbered_stages(starts: Sequence[int], count: int) -> list[list[str]]:
    """The stages of a classifier with numbered `features`, the last first."""
    ends = [*starts[1:], count]
    return [[f"features.{i}." for i in range(*pair)] for pair in zip(starts, ends, strict=True)][::-1]
