"""Trains a small ResNet on handwritten digits, or any model on MNIST, CIFAR or a folder of images.

    python examples/train_digits.py                                             # scikit-learn's digits, no download
    python examples/train_digits.py --data mnist --root data --epochs 3
    python examples/train_digits.py --data cifar10 --root data --model resnet18
    python examples/train_digits.py --data folder --root photos --size 32       # train/CLASS/*, test/CLASS/*

Augmentation, forward pass, backward pass and update are one compiled step of `funcvision.train`, and each image is
augmented with a key of its own. `funcvision train digits` does the same with more options. At the end, a picture of
predictions and curves is written to the folder --out.

Measured on two CPU cores that did other work too:

    (no options)                                                 99.7% of digits             1 minute
    --data mnist --epochs 2 --batch-size 128 --width 16          99.1% of MNIST              4 minutes
    --data folder --epochs 3 --batch-size 128 --width 16         67.5% of CIFAR-10 as JPEGs  12 minutes
"""

import argparse
import pathlib
from typing import Any

import jax
import matplotlib
import numpy as np
import optax

from funcvision import enable_compilation_cache, nn, train
from funcvision.data import DataLoader, Subset
from funcvision.train.data_spec import Data, in_memory, open_data
from funcvision.train.options import Options
from funcvision.train.preparation import augmentation, prepared_for
from funcvision.train.small_models import SmallResNet
from funcvision.vision import models

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TABLES = {"mnist": "mnist", "fashion_mnist": "fashionmnist", "cifar10": "cifar10", "cifar100": "cifar100"}


def load(options: argparse.Namespace) -> Data:
    """The data set, in memory as arrays."""
    spec = "digits" if options.data == "digits" else f"{TABLES.get(options.data, options.data)}:{options.root}"
    size = 28 if "mnist" in options.data else options.size
    return in_memory(open_data(spec, download=options.download), resize=size, crop=size)


class Losses:
    """A log of `train.fit` that keeps the loss of each step."""

    def __init__(self):
        self.values = []

    def write(self, step: int, values: Any) -> None:
        if "loss" in values:
            self.values.append(values["loss"])

    def rewind(self, step: int) -> None:
        self.values = self.values[:step]

    def close(self) -> None:
        """Does nothing."""


def learn(options: argparse.Namespace, data: Data) -> float:
    """Trains a model, draws the picture, and returns the accuracy on the test set."""
    height, _, channels = data.shape
    moves = Options(random_crop_padding=max(1, height // 8), hflip=0.5 if channels == 3 else 0.0)  # no mirrored digits
    preparation = prepared_for(moves, data)
    images_only, prepare = augmentation(moves, data.shape, preparation), preparation.normalize()
    loader = DataLoader(data.train, options.batch_size, shuffle=True, drop_last=True, seed=options.seed)
    test = DataLoader(data.test, 250)
    classes = len(data.classes)
    if options.model == "small":
        model: nn.Module = SmallResNet(classes, in_channels=channels, width=options.width, blocks=options.blocks)
    else:
        model = models.get_model(options.model, num_classes=classes, in_channels=channels)

    rate = optax.cosine_onecycle_schedule(options.epochs * len(loader), options.lr, pct_start=0.2)
    decay = train.weight_decay(model, 5e-4, norm=0.0, bias=0.0)
    optimizer = optax.chain(decay, optax.sgd(rate, momentum=0.9, nesterov=True))
    step = train.make_step(
        model, train.losses.cross_entropy(label_smoothing=0.1), optimizer,
        augment=lambda batch, key: (images_only.batch(batch[0], key=key), batch[1]),
    )
    state = train.create(model, optimizer, key=jax.random.key(options.seed))
    print(f"{options.model}: {sum(p.size for p in state.params.values()):,} parameters on {jax.devices()[0]}")
    losses, accuracies = Losses(), []

    def evaluate(state: train.TrainState) -> dict[str, float]:
        figures = train.evaluate(model, state, test, prepare=prepare.batch)
        accuracies.append(figures["accuracy"])
        return figures

    state = train.fit(state, step, loader, epochs=options.epochs, evaluate=evaluate, logs=[losses])
    picture = pathlib.Path(options.out) / f"{options.data}.png"
    spread = Subset(data.test, np.linspace(0, len(data.test) - 1, min(50, len(data.test))).astype(int))
    images, labels = next(iter(DataLoader(spread, 50)))
    scores = jax.jit(lambda x: model.apply(state.params, state.state, prepare.batch(x))[0])(images)
    guesses = np.asarray(scores.argmax(-1))
    draw(picture, (images, labels, guesses), data.classes, np.asarray(losses.values), accuracies)
    print(f"test accuracy {accuracies[-1]:.2%}; see {picture}")
    return accuracies[-1]


def draw(
    path: pathlib.Path, batch: tuple[np.ndarray, np.ndarray, np.ndarray], classes: tuple[str, ...], losses: np.ndarray,
    accuracies: list[float],
) -> None:
    """Draws test images with their predictions, the wrong ones in red, and below them the curves of the training."""
    figure = plt.figure(figsize=(10, 10), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(5, 3))
    for axes, image, label, guess in zip(above.subplots(5, 10).flat, *batch, strict=False):
        axes.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        wrong = "" if label == guess else f" ({classes[label]})"
        axes.set_title(classes[guess] + wrong, fontsize=7, color="crimson" if wrong else "black")
        axes.set_axis_off()
    left, right = below.subplots(1, 2)
    smooth = np.convolve(losses, np.ones(min(20, len(losses))) / min(20, len(losses)), mode="valid")
    left.plot(losses, color="lightsteelblue", linewidth=0.7)
    left.plot(np.arange(len(smooth)) + len(losses) - len(smooth), smooth, color="navy")
    left.set(xlabel="step", ylabel="training loss", yscale="log")
    right.plot(np.arange(1, len(accuracies) + 1), accuracies, color="darkgreen", marker=".")
    right.set(xlabel="epoch", ylabel="test accuracy", title=f"{accuracies[-1]:.2%} at the end")
    right.xaxis.get_major_locator().set_params(integer=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default="digits", choices=["digits", *TABLES, "folder"])
    parser.add_argument("--root", default="data", help="the folder of the data set")
    parser.add_argument("--download", action="store_true", help="download the data set if it is not in --root")
    parser.add_argument("--size", type=int, default=32, help="height and width of the images of a folder, in pixels")
    parser.add_argument("--model", default="small", help=f"small, or one of {', '.join(models.list_models())}")
    parser.add_argument("--width", type=int, default=32, help="channels of the small model's first stage")
    parser.add_argument("--blocks", type=int, default=1, help="blocks in each of its three stages")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.1, help="the peak learning rate of the one-cycle schedule")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="out")
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # a second run need not compile again
    return learn(options, load(options))


if __name__ == "__main__":
    main()
