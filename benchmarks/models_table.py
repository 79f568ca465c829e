"""Writes docs/models.md: every model's size, and its logits and its speed beside torchvision's, batch 1.

What is measured is kept in docs/models.csv, so that an interrupted run can be taken up: only models that it lacks are
measured. The page is written anew after each.
"""

import csv
import math
import pathlib

from .harness import Contender, compare

DOCS = pathlib.Path(__file__).parent.parent / "docs"
MEASURED = DOCS / "models.csv"
FIELDS = ("model", "difference", "ratio")

TEXT = """# Models

Every classification model of torchvision 0.28, with `models.get_model(name)` or by the builder's own name, and
`models.load(name, "DEFAULT")` for its weights (`models.weights(name)` lists them). This page is made by
`python -m benchmarks models_table`.

- GFLOPs: thousands of millions of multiply-adds for one image of the size that the default weights are measured with.
- Top-1: what torchvision reports for its default weights on ImageNet, in percent.
- Difference: the largest one between our logits and torchvision's, in float32, over the largest logit; random weights
  and running statistics. In float64, gradients included, the tests hold models to 1e-7. With these weights the deepest
  of them, efficientnet_v2_l, amplifies rounding: torch's own float32 is 6e-4 from its float64 there.
- Time: our inference of one image over that of torch (eager, channels-last) on two CPU cores, the ratio of medians of
  five rounds. Single rows are good to some 20%.

| model | parameters | GFLOPs | top-1 | difference | time |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    from funcvision.vision import models

    measured = {}
    if MEASURED.exists():
        with MEASURED.open(newline="") as file:
            measured = {row["model"]: row for row in csv.DictReader(file)}
    for name in models.list_models():
        if name not in measured:
            measured[name] = _measure(name)
            with MEASURED.open("w", newline="") as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(measured[key] for key in sorted(measured))
            _write(measured)
    ratios = [float(row["ratio"]) for row in measured.values()]
    print(f"\ngeometric mean of {len(ratios)} ratios: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}")


def _write(measured: dict[str, dict[str, str]]) -> None:
    from funcvision.vision import models

    lines = []
    for name in models.list_models():
        entry, row = models.find_weights(name, "DEFAULT"), measured.get(name)
        cells = f"{float(row['difference']):.0e} | {float(row['ratio']):.2f}" if row else "not measured | "
        lines.append(f"| {name} | {entry.parameters:,} | {entry.gflops:.2f} | {entry.metrics['acc1']:.1f} | {cells} |")
    (DOCS / "models.md").write_text(TEXT + "\n".join(lines) + "\n")


def _measure(name: str) -> dict[str, str]:
    shared = {"name": name, "task": "infer", "size": 1, "randomised": True}
    result = compare(f"{name}, batch 1, inference", [
        Contender("funcvision", "benchmarks._models", "ours", shared),
        Contender("torch eager", "benchmarks._models", "theirs", shared),
    ], rounds=5, rtol=1e-2)
    (difference,), (ratio,) = result.errors.values(), result.ratios.values()
    return {"model": name, "difference": f"{difference:.1e}", "ratio": f"{ratio:.3f}"}
