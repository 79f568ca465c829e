"""Detectors: inference and a training step of each family against torchvision.

    python -m benchmarks detection                       # images of 320 x 320 pixels
    python -m benchmarks.detection --side 800 NAME ...   # larger ones, and only these models or tasks

Both sides have the weights of the parity tests, the same images and objects, and sample the same anchors and proposals.
`apply` is the compiled forward pass on a canvas, against torchvision's model without its resizing and its pasting of
masks. `predict` resizes images of another size and pastes masks, on both sides. The training step is one of SGD.
Random two-stage detectors are chaotic in float32, so the answers that are compared are means: of the scores of the best
detections, and of the losses.
"""

import functools
import math
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._models import RATE, prepared
from .harness import Contender, Prepared, Workers, compare

MODULE = "benchmarks.detection"
MODELS = (
    "fasterrcnn_resnet50_fpn", "fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn", "retinanet_resnet50_fpn", "fcos_resnet50_fpn", "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
)
TASKS = ("apply", "predict", "train")
IMAGES, OBJECTS, SMALLER = 2, 5, 0.75  # SMALLER: the side of the images for `predict`, which are enlarged
BEST = 20  # detections whose scores are compared
SCORE = 0.05  # as torchvision's default for R-CNNs


def main(rounds: int = 3) -> None:
    arguments = sys.argv[1:]
    side = int(arguments[arguments.index("--side") + 1]) if "--side" in arguments else 320
    chosen = [name for name in MODELS if name in arguments] or MODELS
    ratios: dict[str, list[float]] = {task: [] for task in TASKS}
    with Workers() as workers:
        for name in chosen:
            for task in [task for task in TASKS if task in arguments] or TASKS:
                shared = {"name": name, "task": task, "side": side}
                found = compare(
                    f"{name}, {IMAGES} images of {side}, {task}",
                    [Contender("funcvision", MODULE, "ours", shared), Contender("torch", MODULE, "theirs", shared)],
                    rounds=rounds, rtol=2e-2, workers=workers,
                )
                ratios[task].append(found.ratios["torch"])
    for task, values in ratios.items():
        if values:
            mean = math.exp(sum(map(math.log, values)) / len(values))
            print(f"{task:10} geometric mean {mean:.2f}, from {min(values):.2f} to {max(values):.2f}")


def samples(task: str, side: int) -> tuple[list[np.ndarray], list[dict[str, np.ndarray]]]:
    """Images [side, side, 3] from 0 to 1, and what is in them."""
    rng = np.random.default_rng(0)
    side = round(side * SMALLER) if task == "predict" else side
    images, targets = [], []
    for _ in range(IMAGES):
        images.append(rng.random((side, side, 3), np.float32))
        low = rng.uniform(0, 0.5, (OBJECTS, 2)) * side
        boxes = np.concatenate([low, low + rng.uniform(0.2, 0.5, (OBJECTS, 2)) * side], 1).astype(np.float32)
        masks = np.zeros((OBJECTS, side, side), np.uint8)
        for mask, (left, top, right, bottom) in zip(masks, boxes.astype(int).tolist(), strict=True):
            mask[top:bottom, left:right] = 1
        place = rng.random((OBJECTS, 17, 2), np.float32)
        points = boxes[:, None, :2] + place * (boxes[:, None, 2:] - boxes[:, None, :2])
        targets.append({
            "boxes": boxes, "labels": rng.integers(1, 2, OBJECTS), "masks": masks,
            "keypoints": np.concatenate([points, np.ones((OBJECTS, 17, 1), np.float32)], -1),
        })
    return images, targets


def torch_model(name: str, side: int) -> Any:
    import torch
    import torchvision

    from tests.parity.layers import randomise

    torch.manual_seed(0)
    sizes = {} if name.startswith("ssd") else {"min_size": side, "max_size": side}
    model = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, **sizes)
    randomise(model)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.endswith(("bbox_pred.weight", "bbox_reg.weight")):
                parameter.mul_(0.05)
            if key.endswith("cls_score.weight"):
                parameter.mul_(4)
    torch.randperm = lambda count, **options: torch.arange(count)  # the sampler takes the first ones
    return model


class First:
    """A sampler that takes the first positive and the first negative ones."""

    def __init__(self, count: int, fraction: float):
        self.count, self.fraction = count, fraction

    def __call__(self, key: Any, labels: Any) -> Any:
        import jax.numpy as jnp

        positive, negative = labels >= 1, labels == 0
        taken = jnp.minimum(positive.sum(), int(self.count * self.fraction))
        return positive & (jnp.cumsum(positive) <= taken), negative & (jnp.cumsum(negative) <= self.count - taken)


def ours(name: str, task: str, side: int) -> Prepared:
    import jax
    import jax.numpy as jnp
    import optax

    from funcvision.vision import convert, models
    from funcvision.vision.models import detection

    options: dict[str, Any] = {}
    if not name.startswith("ssd"):
        options["preparation"] = detection.Preparation(side, side)
    if "rcnn" in name:
        options |= {"rpn_sampler": First(256, 0.5), "box_sampler": First(512, 0.25)}
    model: Any = models.get_model(name, **options)
    tensors = {key: tensor.numpy() for key, tensor in torch_model(name, side).state_dict().items()}
    params, state = convert.from_torch(model, tensors)
    images, targets = samples(task, side)
    if task == "predict":
        found: Any = functools.partial(detection.predict, model, params, state, images)
        return _inference(found, lambda found: [one["scores"] for one in found])
    batch = jax.tree.map(jnp.asarray, detection.batch(model, images, targets))
    if task == "apply":
        run = jax.jit(lambda params, state, batch: model.apply(params, state, batch)[0])
        return _inference(lambda: jax.block_until_ready(run(params, state, batch)), lambda found: found.scores)
    optimizer = optax.sgd(RATE)

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        def total(params: Any) -> Any:
            losses, new_state = model.apply(params, state, batch, train=True, key=jax.random.key(0))
            return sum(losses.values()), new_state

        (loss, new_state), gradients = jax.value_and_grad(total, has_aux=True)(params)
        updates, _ = optimizer.update(gradients, optimizer.init(params))
        return loss, optax.apply_updates(params, updates), new_state

    return prepared(lambda: float(jax.block_until_ready(step(params, state))[0]))


def theirs(name: str, task: str, side: int) -> Prepared:
    import os

    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    # torchvision's loss of key points takes a view that channels-last tensors do not have.
    first = task == "train" and name.startswith("keypoint")
    layout = torch.contiguous_format if first else torch.channels_last
    model = torch_model(name, side).to(memory_format=layout)
    images, targets = samples(task, side)
    tensors = [torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in images]
    if task == "train":
        objects = [{key: torch.from_numpy(array) for key, array in target.items()} for target in targets]
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

        def step() -> float:
            optimizer.zero_grad()
            loss = sum(model(tensors, objects).values())
            loss.backward()
            optimizer.step()
            return loss.item()

        return prepared(step)
    model.eval()
    if task == "apply" and not name.startswith("ssd"):
        model.transform.resize = lambda image, target: (image, target)
    if task == "apply":
        model.transform.postprocess = lambda found, *sizes: found

    def infer() -> Any:
        with torch.inference_mode():
            return model(tensors)

    return _inference(infer, lambda found: [one["scores"].numpy() for one in found])


def _inference(run: Any, scores_of: Any) -> Prepared:
    """The answer is the mean of the best scores of each image."""
    start = time.perf_counter()
    found = run()
    seconds = time.perf_counter() - start
    best: Sequence[Any] = [np.sort(np.asarray(scores))[::-1][:BEST] for scores in scores_of(found)]
    return run, np.asarray([scores.mean() if len(scores) else 0.0 for scores in best]), seconds


if __name__ == "__main__":
    main()
