"""ResNet-18, ResNet-50 and VGG-16, batch 1 and 8: inference and a training step, against torch channels-last."""

from .harness import Contender, compare

NAMES = ("resnet18", "resnet50", "vgg16")


def main() -> None:
    for name in NAMES:
        for size in (1, 8):
            for task, rounds in (("infer", 15), ("train", 7)):
                shared = {"name": name, "task": task, "size": size}
                compare(f"{name}, batch {size}, 224x224, {task}", [
                    Contender("funcvision", "benchmarks._models", "ours", shared),
                    Contender("torch eager", "benchmarks._models", "theirs", shared),
                ], rounds=rounds, rtol=2e-3)
