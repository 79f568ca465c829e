"""Writes docs/models.md: the size of every model, and its logits and speed compared with torchvision's at batch size 1.

Measurements are kept in docs/models.csv. Only models that are missing there are measured, so an interrupted run can be
continued. The page is rewritten after each model.
"""

import csv
import math
import pathlib

from .harness import Contender, compare

DOCS = pathlib.Path(__file__).parent.parent / "docs"
MEASURED = DOCS / "models.csv"
FIELDS = ("model", "difference", "ratio")

TEXT = """# Models

Every classification model of torchvision 0.28. `models.get_model(name)` and the function of that name return the
description of a model, `models.load(name, "DEFAULT")` also its weights, `models.weights(name)` lists the published
ones. `python -m benchmarks models_table` writes this page. `docs/detection.md` has the detectors and segmenters.
`docs/quantised_models.md` has the models of integers.

- GFLOPs: multiply-adds, in units of 10^9, for one image of the size with which the default weights were measured.
- Top-1: the accuracy that torchvision reports for its default weights on ImageNet, in percent.
- Difference: the largest difference between the logits of funcvision and of torchvision, divided by the largest
  logit, in float32 with random weights and running statistics. In float64, including gradients, the tests allow 1e-7.
  The deepest model, efficientnet_v2_l, amplifies rounding errors: torch's own float32 differs by 6e-4 from its
  float64.
- Time: funcvision's time for the inference of one image divided by that of torch (eager, channels-last) on two CPU
  cores. It is the ratio of the medians of five rounds. A single row has an error of about 20%.

| model | parameters | GFLOPs | top-1 | difference | time |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    from funcvision.vision import models

    measured = {}
    if MEASURED.exists():
        with MEASURED.open(newline="", encoding="utf-8") as file:
            measured = {row["model"]: row for row in csv.DictReader(file)}
    for name in models.list_models("classification"):
        if name not in measured:
            measured[name] = _measure(name)
            with MEASURED.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(measured[key] for key in sorted(measured))
            _write(measured)
    ratios = [float(row["ratio"]) for row in measured.values()]
    print(f"\ngeometric mean of {len(ratios)} ratios: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}")


def _write(measured: dict[str, dict[str, str]]) -> None:
    from funcvision.vision import models

    lines = []
    for name in models.list_models("classification"):
        entry, row = models.find_weights(name, "DEFAULT"), measured.get(name)
        cells = f"{float(row['difference']):.0e} | {float(row['ratio']):.2f}" if row else "not measured | "
        lines.append(f"| {name} | {entry.parameters:,} | {entry.gflops:.2f} | {entry.metrics['acc1']:.1f} | {cells} |")
    (DOCS / "models.md").write_text(TEXT + "\n".join(lines) + "\n", encoding="utf-8")


def _measure(name: str) -> dict[str, str]:
    shared = {"name": name, "task": "infer", "size": 1, "randomised": True}
    result = compare(f"{name}, batch 1, inference", [
        Contender("funcvision", "benchmarks._models", "ours", shared),
        Contender("torch eager", "benchmarks._models", "theirs", shared),
    ], rounds=5, rtol=1e-2)
    (difference,), (ratio,) = result.errors.values(), result.ratios.values()
    return {"model": name, "difference": f"{difference:.1e}", "ratio": f"{ratio:.3f}"}
