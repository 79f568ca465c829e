"""Fine-tunes a model with ImageNet weights on a folder of images.

    python examples/finetune.py photos                                   # photos/CLASS/*, a fifth is the test set
    python examples/finetune.py photos --model resnet50 --freeze "conv1.*" "bn1.*" "layer1.*"
    python examples/finetune.py photos --model resnet18 --weights resnet18-f37072fd.pth
    python examples/finetune.py photos --weights none --epochs 30        # random initial weights, for comparison

If there are `photos/train/CLASS/*` and `photos/test/CLASS/*` or `val`, they are the training and the test set.
Weights are
downloaded the first time. The classifier is freshly initialised, and its learning rate is ten times that of the other
layers. Augmentation, forward pass, backward pass and update are one compiled step, with a key for each image. The
folder --out receives the weights, the names of the classes and a picture. To use them:

    funcvision classify photo.jpg --weights out/finetuned.safetensors --classes out/classes.txt
"""

import argparse
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax

from funcvision import enable_compilation_cache, train
from funcvision.data import DataLoader, Subset
from funcvision.train.building import Frozen
from funcvision.train.data_spec import open_data
from funcvision.vision import convert, models, transforms
from funcvision.vision.transforms.presets import ImageClassificationTrain

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def load(options: argparse.Namespace, classes: int, key: jax.Array) -> Any:
    """(model, params, state). A warning names the layers that do not fit, usually the classifier."""
    if options.weights == "none":
        model = models.get_model(options.model, num_classes=classes)
        return model, *model.init(key)
    return models.load(options.model, options.weights, num_classes=classes, key=key)


def classifier(name: str, classes: int) -> set[str]:
    """The parameters whose shape depends on the number of classes."""
    one, other = (models.get_model(name, num_classes=count).declarations() for count in (classes, classes + 1))
    return {name for name in one if one[name].shape != other[name].shape}


def make_optimizer(params: Any, head: set[str], frozen: dict[str, bool], lr: float, body_lr: float, steps: int) -> Any:
    """SGD with a one-cycle schedule; its maximum is `lr` for the head and `body_lr` for other trained parameters."""
    kinds = {name: "frozen" if frozen[name] else "head" if name in head else "body" for name in params}

    def sgd(peak: float) -> optax.GradientTransformation:
        decay = optax.add_decayed_weights(1e-4, mask=lambda params: jax.tree.map(lambda p: p.ndim > 1, params))
        return optax.chain(decay, optax.sgd(optax.cosine_onecycle_schedule(steps, peak), momentum=0.9, nesterov=True))

    return optax.multi_transform({"head": sgd(lr), "body": sgd(body_lr), "frozen": optax.set_to_zero()}, kinds)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("root", type=pathlib.Path, help="a folder with a folder of images for each class")
    parser.add_argument("--model", default="resnet18", help=f"one of {', '.join(models.list_models('classification'))}")
    parser.add_argument("--weights", default="DEFAULT", help="the name of published weights, a file, or none")
    parser.add_argument("--freeze", nargs="+", default=[], metavar="PATTERN", help="parameters that are not trained")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.05, help="of the classifier; others have a tenth of it")
    parser.add_argument("--size", type=int, help="height and width of the images, in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out"))
    options = parser.parse_args(arguments)
    enable_compilation_cache()  # the second run need not compile

    data = open_data(f"folder:{options.root}", seed=options.seed)
    classes = list(data.classes)
    model, params, state = load(options, len(classes), jax.random.key(options.seed))
    frozen = models.freeze(params, *options.freeze)
    print(f"{options.model}: {sum(p.size for n, p in params.items() if not frozen[n]):,} parameters are trained")

    published = models.find_weights(options.model, options.weights) or models.find_weights(options.model, "DEFAULT")
    size, mean, std = (published.preset_options[key] for key in ("crop_size", "mean", "std"))
    size = options.size or size
    side = size * 8 // 7
    host = transforms.Compose([transforms.Resize(side), transforms.CenterCrop(side), transforms.ToImage()])
    augment = ImageClassificationTrain(crop_size=size, mean=mean, std=std)
    to_float = [transforms.ToDtype(jnp.float32, scale=True), transforms.Normalize(mean, std)]
    prepare = transforms.Compose([transforms.CenterCrop(size), *to_float])

    batch_size = min(options.batch_size, len(data.train))
    loader = DataLoader(data.train, batch_size, shuffle=True, drop_last=True, seed=options.seed, transform=host)
    steps = options.epochs * len(loader)
    body_lr = options.lr if options.weights == "none" else options.lr / 10
    optimizer = make_optimizer(params, classifier(options.model, len(classes)), frozen, options.lr, body_lr, steps)
    criterion = train.losses.cross_entropy(label_smoothing=0.1)
    step = train.make_step(
        Frozen(model, options.freeze),  # pyright: ignore[reportArgumentType]
        lambda output, labels: criterion(getattr(output, "logits", output), labels), optimizer,
        augment=lambda batch, key: (augment.batch(batch[0], key=key), batch[1]),
    )  # GoogLeNet and Inception v3 return several outputs, the main one as `logits`
    start = train.create(model, optimizer, key=jax.random.key(options.seed + 1), params=params, state=state)
    test, accuracies = DataLoader(data.test, batch_size, transform=host), []

    def evaluate(state: train.TrainState) -> dict[str, float]:
        figures = train.evaluate(model, state, test, prepare=prepare.batch)
        accuracies.append(figures["accuracy"])
        return figures

    end = train.fit(start, step, loader, epochs=options.epochs, evaluate=evaluate)
    params, state = end.params, end.state

    options.out.mkdir(parents=True, exist_ok=True)
    convert.save(options.out / "finetuned.safetensors", model, params, state, overwrite=True)
    (options.out / "classes.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    spread = Subset(data.test, np.linspace(0, len(data.test) - 1, min(24, len(data.test))).astype(int))
    images, labels = next(iter(DataLoader(spread, len(spread), transform=host)))
    predict = jax.jit(lambda x: jax.nn.softmax(model.apply(params, state, prepare.batch(x))[0]))
    draw(options.out / "finetuned.png", images, labels, np.asarray(predict(images)), classes, accuracies)
    print(f"test accuracy {accuracies[-1]:.2%}; see {options.out / 'finetuned.png'}")
    return accuracies[-1]


def draw(
    path: pathlib.Path, images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, classes: list[str],
    accuracies: list[float],
) -> None:
    """Draws test images titled with the predicted class and its probability; wrong predictions are red."""
    figure, grid = plt.subplots(4, 6, figsize=(12, 9), layout="constrained")
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, label, scores in zip(grid.flat, images, labels, probabilities, strict=False):
        guess = int(scores.argmax())
        axes.imshow(image)
        right = label == guess
        title = f"{classes[guess]} {scores[guess]:.0%}" + ("" if right else f"\n({classes[label]})")
        axes.set_title(title, fontsize=9, color="black" if right else "crimson")
    history = ", ".join(f"{accuracy:.1%}" for accuracy in accuracies)
    figure.suptitle(f"test accuracy after each epoch: {history}")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main()
