"""Trains a small SSD on scattered handwritten digits, or any detector on digits or on data in COCO's layout.

    python examples/train_detector.py                                                   # nothing is downloaded
    python examples/train_detector.py --model ssdlite320_mobilenet_v3_large --lr 0.001
    python examples/train_detector.py --data coco --root coco --model maskrcnn_resnet50_fpn --lr 0.0001 \
        --backbone-weights DEFAULT --freeze "backbone.body.conv1.*" "backbone.body.layer1.*" --batch-size 2 --epochs 12

COCO's layout is `train2017/*.jpg`, `val2017/*.jpg` and `annotations/instances_{train,val}2017.json` (for key points
`person_keypoints_{train,val}2017.json`) in the folder --root. Transforms move images, boxes and masks together in the
loader's workers, which also resize the images and pad them to a few fixed canvases. So the training step, with forward
pass, backward pass and update, is compiled once for each canvas. At the end the average precision is measured, and a
picture of predictions and of the loss is written to the folder --out.

Without options, mAP@0.5 is 0.93 after 6 minutes of CPU time. The small model wants images of 128 pixels.
"""

import argparse
import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import matplotlib
import numpy as np
import optax
import scattered_digits
from scattered_digits import ScatteredDigits
from tqdm import tqdm

from funcvision import enable_compilation_cache
from funcvision.data import DataLoader, Subset, list_collate
from funcvision.vision import datasets, draw, metrics, models, transforms
from funcvision.vision.models import detection
from funcvision.vision.models.resnet import BasicBlock, ResNet
from funcvision.vision.tv_tensors import BoundingBoxes, Image, Mask

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DIGITS_SIZE = 128  # height and width of a canvas with digits, in pixels
SURE = 0.4  # the smallest score of an object that is drawn


class Task(NamedTuple):
    """What to learn.

    Attributes:
        train: a data set of dicts with an "image", "boxes", "labels", and "masks" or "keypoints".
        test: another one, of the same form.
        classes: the names by label; label 0 is the background.
        flip: whether a mirrored object still belongs to its class; a mirrored digit does not.
    """

    train: Any
    test: Any
    classes: list[str]
    flip: bool


def digits(options: argparse.Namespace) -> Task:
    sets = [ScatteredDigits(train, n, size=DIGITS_SIZE) for train, n in ((True, options.images), (False, options.test))]
    return Task(*sets, scattered_digits.CLASSES, flip=False)


def coco(options: argparse.Namespace, targets: Sequence[str]) -> Task:
    """COCO's photos. Labels are the numbers of the categories in the file."""
    root, kind = pathlib.Path(options.root), "person_keypoints" if "keypoints" in targets else "instances"
    train, test = (
        datasets.CocoDetection(root / f"{part}2017", root / "annotations" / f"{kind}_{part}2017.json")
        for part in ("train", "val")
    )
    names = {number: category["name"] for number, category in train.coco.cats.items()}
    classes = [names.get(number, "background") for number in range(max(names) + 1)]
    sets = [datasets.typed(part, [*targets, "iscrowd"]) for part in (train, test)]
    return Task(sets[0], Subset(sets[1], range(min(options.test, len(test)))), classes, flip=True)


def small_ssd(num_classes: int) -> detection.SSD:
    """An SSD on two stages of a ResNet with one block each, for images of 128 pixels."""
    resnet = ResNet(BasicBlock, (1, 1, 1, 1))
    backbone = models.features(resnet, {"layer2": "fine", "layer3": "coarse"}, image=(DIGITS_SIZE, DIGITS_SIZE, 3))
    anchors = detection.DefaultBoxGenerator([(1.5,), (1.5,)], scales=(0.15, 0.27, 0.4))
    head = detection.SSDHead((128, 256), anchors.num_anchors_per_location(), num_classes)
    return detection.SSD(backbone, anchors, (DIGITS_SIZE, DIGITS_SIZE), num_classes, head=head)


def build(options: argparse.Namespace, num_classes: int) -> tuple[detection.Detector, Any, Any]:
    """(model, params, state)."""
    key = jax.random.key(options.seed)
    if options.model == "small":
        model = small_ssd(num_classes)
        return model, *jax.jit(model.init)(key)
    wanted: dict[str, Any] = {"num_classes": num_classes}
    usual = models.get_model(options.model).preparation
    if options.size is not None and usual.fixed_size is None:
        longest = options.size * 5 // 3
        wanted["preparation"] = dataclasses.replace(usual, min_size=options.size, max_size=longest)
    if options.weights or options.backbone_weights:
        return models.load(
            options.model, options.weights, weights_backbone=options.backbone_weights, key=key, **wanted
        )
    model = models.get_model(options.model, **wanted)
    return model, *jax.jit(model.init)(key)


def canvases(preparation: detection.Preparation) -> list[tuple[int, int]]:
    """The sizes of a batch: one for wide images, one for high ones, and a square for both."""
    if preparation.fixed_size is not None:
        return [preparation.fixed_size]
    sizes = preparation.min_size if isinstance(preparation.min_size, tuple) else (preparation.min_size,)
    short, long = (preparation.canvas([(side, side)])[0] for side in (max(sizes), preparation.max_size))
    return [(short, long), (long, short), (long, long)]


def augmentation(kind: str, flip: bool) -> transforms.Transform:
    """The transforms of a training sample, as in the papers."""
    flips = [transforms.RandomHorizontalFlip()] * flip
    if kind == "ssd":  # Liu et al. 2015, section 2.2, with less room around the image
        moves = [transforms.RandomZoomOut(side_range=(1.0, 1.5)), transforms.RandomIoUCrop()]
        flips = [transforms.RandomPhotometricDistort(), *moves, *flips]
    return transforms.Compose(flips or [transforms.Identity()])


def learned(sample: dict[str, Any]) -> dict[str, Any]:
    """A sample with the objects that are learned: no crowds, and none that a crop has left nothing of."""
    boxes = sample["boxes"].array
    keep = (boxes[:, 2:] - boxes[:, :2] >= 1).all(-1) & (np.asarray(sample.get("iscrowd", 0)) == 0)
    kept = {name: jax.tree.map(lambda array: array[keep], sample[name]) for name in sample.keys() - {"image"}}
    return {"image": sample["image"], **kept}


def target_names(options: argparse.Namespace) -> list[str]:
    """What the model learns."""
    extra = {"maskrcnn": "masks", "keypointrcnn": "keypoints"}.get(options.model.partition("_")[0])
    return ["boxes", "labels", *([extra] if extra else [])]


def train(options: argparse.Namespace) -> float:
    """Trains a model, draws the picture, and returns the average precision on the test set."""
    names = target_names(options)
    if options.data == "digits" and "keypoints" in names:
        raise SystemExit(f"{options.model} learns key points, and digits have none: use --data coco")
    task = digits(options) if options.data == "digits" else coco(options, names)
    model, params, state = build(options, len(task.classes))
    sizes = canvases(model.preparation)
    augment = augmentation(options.augment, task.flip)

    def prepare(samples: list[Any]) -> detection.DetectionBatch:
        targets = [{name: sample[name] for name in names} for sample in samples]
        images = [sample["image"] for sample in samples]
        return detection.batch(model, images, targets, canvas=sizes, max_targets=options.max_targets)

    loader = DataLoader(
        task.train, options.batch_size, shuffle=True, drop_last=True, seed=options.seed, collate_fn=prepare,
        transform=lambda sample, key: learned(augment(sample, key=key)),
    )
    steps = options.epochs * len(loader)
    rate = optax.warmup_cosine_decay_schedule(0.0, options.lr, min(200, steps // 5), steps)
    frozen = models.freeze(params, *options.freeze)
    decay = jax.tree.map(lambda p: p.ndim > 1, params)
    optimizer = optax.chain(
        optax.clip_by_global_norm(10.0), optax.adamw(rate, weight_decay=options.weight_decay, mask=decay),
        optax.masked(optax.set_to_zero(), frozen),
    )

    @functools.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(params, state, moments, batch, key):
        def objective(params):
            losses, new_state = model.apply(params, state, batch, train=True, key=key)
            return sum(losses.values()), new_state

        (loss, state), gradients = jax.value_and_grad(objective, has_aux=True)(params)
        updates, moments = optimizer.update(gradients, moments, params)
        return optax.apply_updates(params, updates), state, moments, loss

    moments, key, losses = optimizer.init(params), jax.random.key(options.seed + 1), []
    trained = sum(p.size for name, p in params.items() if not frozen[name])
    print(f"{options.model}: {trained:,} parameters are trained on {jax.devices()[0]}")
    with tqdm(total=steps, unit="step", dynamic_ncols=True) as bar:
        for epoch in range(options.epochs):
            for batch in loader:
                one = jax.random.fold_in(key, len(losses))
                params, state, moments, loss = step(params, state, moments, batch, one)
                losses.append(loss)  # an array that is still being computed; meanwhile the next batch is loaded
                bar.update()
            bar.set_description(f"epoch {epoch + 1}: loss {np.mean(losses[-len(loader):]):.3f}")

    truth, found = [], []
    test = DataLoader(task.test, options.batch_size, collate_fn=list_collate)
    for batch in tqdm(test, "testing", dynamic_ncols=True):
        truth += [dict(zip(batch, column)) for column in zip(*batch.values())]
        found += detection.predict(model, params, state, batch["image"], canvas=sizes)
    metric = metrics.MeanAveragePrecision()
    metric.update(found, truth)
    precision = metric.compute()["map_50"]
    picture = pathlib.Path(options.out) / f"{options.data}_{options.model}.png"
    draw_results(picture, truth[:12], found[:12], task.classes, np.asarray(losses), precision)
    print(f"mAP@0.5 {precision:.3f}; see {picture}")
    return precision


def draw_results(
    path: pathlib.Path, truth: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], classes: list[str],
    losses: np.ndarray, precision: float,
) -> None:
    """Draws test images with the objects that were found, and below them the curve of the training."""
    figure = plt.figure(figsize=(12, 12), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(4, 1))
    for axes in above.subplots(3, 4).flat:
        axes.set_axis_off()
    resize = transforms.Resize(256)
    for axes, sample, result in zip(above.axes, truth, found, strict=False):
        image, sure = np.asarray(sample["image"].array), result["scores"] >= SURE
        names = [classes[label] for label in result["labels"][sure]]
        leaves = {"image": Image(image), "boxes": BoundingBoxes(result["boxes"][sure], canvas_size=image.shape[:2])}
        if "masks" in result:
            leaves["masks"] = Mask(result["masks"][sure, 0] >= 0.5)
        texts = [f"{name}: {score:.0%}" for name, score in zip(names, result["scores"][sure], strict=True)]
        axes.imshow(draw.sample({**resize(leaves), "labels": texts}))
    axes = below.subplots()
    smooth = np.convolve(losses, np.ones(min(20, len(losses))) / min(20, len(losses)), mode="valid")
    axes.plot(losses, color="lightsteelblue", linewidth=0.7)
    axes.plot(np.arange(len(smooth)) + len(losses) - len(smooth), smooth, color="navy")
    axes.set(xlabel="step", ylabel="training loss", yscale="log", title=f"mAP@0.5 {precision:.3f} at the end")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits", choices=["digits", "coco"])
    parser.add_argument("--root", default="data", help="the folder of COCO")
    parser.add_argument("--images", type=int, default=1600, help="canvases with digits in an epoch")
    parser.add_argument("--test", type=int, default=320, help="the largest number of images to test with")
    known = ", ".join(models.list_models("detection"))
    parser.add_argument("--model", default="small", help=f"small, or one of {known}")
    parser.add_argument("--weights", help="of the whole detector: the name of published weights, or a file")
    parser.add_argument("--backbone-weights", help="of the classifier inside: the name of published weights, or a file")
    parser.add_argument("--freeze", nargs="+", default=[], metavar="PATTERN", help="parameters that are not trained")
    parser.add_argument("--size", type=int, help="the shorter edge in pixels; by default the model's")
    parser.add_argument("--augment", default="ssd", choices=["ssd", "flip", "none"])
    parser.add_argument("--max-targets", type=int, default=100, help="objects for which an image has room")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.003, help="the peak learning rate, after the warm-up")
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out")
    options = parser.parse_args(arguments)
    if options.model != "small" and options.model not in models.list_models("detection"):
        parser.error(f"--model {options.model}: it is small, or one of {known}")
    enable_compilation_cache()  # a second run need not compile again
    return train(options)


if __name__ == "__main__":
    main()
