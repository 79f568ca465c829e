"""ResNet-18, ResNet-50 and VGG-16, batch 1 and 8: inference and a training step with SGD, against torch channels-last.

VGG-16's dropout draws other numbers in torch, so that its training step is timed in both without dropout.
"""

from typing import Any

from . import resnet50
from .harness import Contender, Prepared, compare

NAMES = ("resnet18", "resnet50", "vgg16")


def torch_eager(**options: Any) -> Prepared:
    import torch

    torch.nn.Dropout.forward = lambda self, x: x
    return resnet50.theirs(compiled=False, **options)


def ours(**options: Any) -> Prepared:
    from funcvision import nn

    nn.Dropout.forward = lambda self, x: x  # pyright: ignore[reportAttributeAccessIssue]
    return resnet50.ours(**options)


def main() -> None:
    for name in NAMES:
        for size in (1, 8):
            for task, rounds in (("infer", 15), ("train", 7)):
                shared = {"task": task, "size": size, "name": name}
                compare(f"{name}, batch {size}, 224x224, {task}", [
                    Contender("funcvision", __name__, "ours", shared),
                    Contender("torch eager", __name__, "torch_eager", shared),
                ], rounds=rounds, rtol=2e-3)
