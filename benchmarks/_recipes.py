"""The parts of a training run by a recipe, and the same recipe in torch with torchvision."""

import functools
import itertools
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .harness import CLOCK

WORKERS = 0 if CLOCK is time.process_time else 2
"""Of a loader. The CPU time of a process leaves out its worker processes, so there the process itself loads."""
PHOTOS = pathlib.Path(__file__).parents[2] / "shared" / "data" / "imagenet-samples"


class Parts(NamedTuple):
    """What `funcvision train` makes of a recipe.

    Attributes:
        state: the training state before the first step.
        step: the compiled step.
        loader: of training batches.
        evaluate: returns the figures of the test set for a state.
    """

    state: Any
    step: Any
    loader: Any
    evaluate: Callable[[Any], Any]


def parts(recipe: Any, data: Any) -> Parts:
    """Makes the parts of a run on one device, as `funcvision.train.run.run` does."""
    import jax

    from funcvision import train
    from funcvision.train.building import trained
    from funcvision.train.preparation import evaluation_loader, prepared_for, train_loader

    preparation, precision = prepared_for(recipe, data), "bfloat16" if recipe.amp else "float32"
    loader, test = train_loader(recipe, data), evaluation_loader(data, preparation, recipe.batch_size)
    model = recipe.build_model(len(data.classes), preparation.channels)
    average, schedule = recipe.build_average(len(loader)), recipe.build_rate(len(loader))
    optimizer = recipe.build_optimizer(model, schedule, len(data.classes), preparation.channels)
    weights_key, run_key = jax.random.split(jax.random.key(recipe.seed))
    params, buffers = recipe.initial_arrays(model, data, preparation, weights_key)
    state = train.create(model, optimizer, key=run_key, ema=average, params=params, state=buffers)
    step = train.make_step(
        trained(recipe, model), recipe.build_loss(), optimizer, augment=recipe.build_augment(data, preparation),
        ema=average, accumulate=recipe.accumulate, precision=precision, clip=recipe.clip_grad_norm,
    )
    prepare = preparation.normalize().batch
    return Parts(state, step, loader, lambda state: train.evaluate(
        model, state, test, prepare=prepare, ema=average is not None, precision=precision
    ))


def drawn(count: int, side: int = 32, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Random images uint8 [count, side, side, 3] and labels, in place of a data set."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, 3), np.uint8), rng.integers(0, classes, count).astype(np.int32)


def drawn_data(count: int) -> Any:
    """`drawn` as a data set of a run; the training and the test images are the same."""
    from funcvision.data import ArrayDataset
    from funcvision.train.data_spec import Data

    images, labels = drawn(count)
    arrays = ArrayDataset((images, labels))
    return Data(arrays, arrays, tuple(map(str, range(10))), images.shape[1:])


def photos() -> list[pathlib.Path]:
    """The photos of `../shared/data/imagenet-samples`, or of the folder in FUNCVISION_PHOTOS.

    Raises:
        FileNotFoundError: there are none.
    """
    folder = pathlib.Path(os.environ.get("FUNCVISION_PHOTOS", PHOTOS))
    found = sorted(folder.glob("*.JPEG"))
    if not found:
        raise FileNotFoundError(f"{folder} has no photos *.JPEG; set FUNCVISION_PHOTOS to a folder that has")
    return found


def photo_folder(root: pathlib.Path) -> pathlib.Path:
    """Links the photos into `root/train/CLASS` and `root/val/CLASS`, a class for each photo."""
    for part, photo in itertools.product(("train", "val"), photos()):
        folder = root / part / photo.stem
        folder.mkdir(parents=True)
        (folder / photo.name).symlink_to(photo)
    return root


# The same in torch with torchvision


def torch_parts(recipe: Any, data: pathlib.Path | int) -> tuple[Iterator[Any], Callable[[Any], float]]:
    """(loader, step) of a recipe, written as in torchvision's references/classification, with channels-last memory.

    Args:
        recipe: the options.
        data: a folder with `train/CLASS/*`, or a number of drawn images of 32x32 pixels.
    """
    import torch
    from torchvision import datasets
    from torchvision.transforms import v2

    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    transform = _torch_transform(recipe)
    dataset: Any = _Drawn(data, transform) if isinstance(data, int) else datasets.ImageFolder(data / "train", transform)
    classes = 10 if isinstance(data, int) else len(dataset.classes)
    mixers = [kind(alpha=alpha, num_classes=classes) for kind, alpha in (
        (v2.MixUp, recipe.mixup_alpha), (v2.CutMix, recipe.cutmix_alpha)) if alpha]
    loader: Any = torch.utils.data.DataLoader(
        dataset, recipe.batch_size, shuffle=True, drop_last=True, num_workers=recipe.workers,
        collate_fn=functools.partial(_collate, mix=v2.RandomChoice(mixers)) if mixers else None,
        persistent_workers=recipe.workers > 0,
    )
    model = _torch_model(recipe.model, classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        _torch_groups(model, recipe), recipe.lr, recipe.momentum, nesterov=recipe.opt == "sgd_nesterov"
    )
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10_000)
    average: Any = None
    if recipe.model_ema:
        average = torch.optim.swa_utils.AveragedModel(
            model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
        )
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    count = itertools.count(1)

    def step(batch: Any) -> float:
        images, labels = batch
        loss = criterion(model(images.contiguous(memory_format=torch.channels_last)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        if average is not None and next(count) % recipe.model_ema_steps == 0:
            average.update_parameters(model)
        return loss.item()

    return loader, step


class _Drawn:
    """`drawn` images as PIL images, as torchvision's CIFAR10 gives them."""

    def __init__(self, count: int, transform: Any):
        (self.images, self.labels), self.transform = drawn(count), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        import PIL.Image

        return self.transform(PIL.Image.fromarray(self.images[index])), int(self.labels[index])


def _collate(samples: Any, mix: Any) -> Any:
    import torch

    return mix(*torch.utils.data.default_collate(samples))


def _torch_transform(recipe: Any) -> Any:
    import torch
    from torchvision.transforms import v2

    if recipe.random_crop_padding is None:
        steps: list[Any] = [v2.RandomResizedCrop(recipe.train_crop_size)]
    else:
        steps = [v2.RandomCrop(recipe.train_crop_size, padding=recipe.random_crop_padding)]
    steps += [v2.RandomHorizontalFlip(recipe.hflip)]
    steps += [v2.TrivialAugmentWide()] * (recipe.auto_augment == "ta_wide")
    steps += [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
    steps += [v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    steps += [v2.RandomErasing(recipe.random_erase)] * (recipe.random_erase > 0)
    return v2.Compose(steps)


def _torch_model(name: str, classes: int) -> Any:
    import torchvision
    from torch import nn

    if name != "resnet18_small":
        return torchvision.models.get_model(name, num_classes=classes)
    model: Any = torchvision.models.resnet18(num_classes=classes)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return model


def _torch_groups(model: Any, recipe: Any) -> list[dict[str, Any]]:
    """Parameters by their weight decay."""
    from torch import nn

    rates: dict[float, list[Any]] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            rate = recipe.weight_decay
            if isinstance(module, nn.BatchNorm2d) and recipe.norm_weight_decay is not None:
                rate = recipe.norm_weight_decay
            elif name == "bias" and recipe.bias_weight_decay is not None:
                rate = recipe.bias_weight_decay
            rates.setdefault(rate, []).append(parameter)
    return [{"params": group, "weight_decay": rate} for rate, group in rates.items()]
