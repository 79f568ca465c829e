"""One model of each family, batch 8: inference and a training step with SGD, against torch eager channels-last.

Where equimo has the same architecture, it is compared too, if it is installed (`pip install equimo`). flax has only the
ResNet of its examples, which the benchmark `resnet50` compares.
"""

import importlib.util
from collections.abc import Sequence

from . import _equimo
from .harness import Contender, Result, compare

NAMES = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet1_0", "mobilenet_v2", "mobilenet_v3_large", "regnet_x_400mf", "regnet_y_400mf", "resnet18",
    "resnext50_32x4d", "shufflenet_v2_x1_0", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vit_b_32",
)


def main(names: Sequence[str] = NAMES, size: int = 8) -> None:
    rows = []
    for name in names:
        results = [_compare(name, task, size, rounds) for task, rounds in (("infer", 9), ("train", 5))]
        cells = [f"{r.ratios['torch eager']:.2f} | {r.first[0]:.1f} s" for r in results]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    print("\n| model | inference, to torch | first call | training step, to torch | first call |")
    print("\n".join(["| --- | --- | --- | --- | --- |", *rows]))


def _compare(name: str, task: str, size: int, rounds: int) -> Result:
    # Inference needs randomised weights, because the initial logits of a ViT are all zero. Training does not work with
    # random running statistics.
    shared = {"name": name, "task": task, "size": size, "randomised": task == "infer"}
    contenders = [
        Contender("funcvision", "benchmarks._models", "ours", shared),
        Contender("torch eager", "benchmarks._models", "theirs", shared),
    ]
    if name in _equimo.NAMES:
        if importlib.util.find_spec("equimo"):
            contenders.append(Contender("equimo", "benchmarks._equimo", "equimos", shared))
        else:
            print(f"{name}: equimo has it too, but is not installed")
    return compare(f"{name}, batch {size}, {task}", contenders, rounds=rounds, rtol=5e-3)
