"""The options of a training run: their names, types, defaults and meanings, and how they are read from text.

Names are those of torchvision's references/classification/train.py where it has the option. A recipe is a subclass of
`Options` with other defaults.
"""

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

__all__ = ["OptionError", "Options", "as_dict", "from_dict", "meaning", "option", "parse", "shown"]


class OptionError(ValueError):
    """An option is unknown, or its value is of the wrong type or out of range."""


def option(default: Any, text: str) -> Any:
    """A field of a recipe, with a sentence that says what it means."""
    return dataclasses.field(default=default, metadata={"text": text})


@dataclasses.dataclass(frozen=True)
class Options:
    """Every option of a run. `funcvision train RECIPE --show` prints them with their meanings."""

    # The run
    data: str = option("digits", "data set: digits, mnist:ROOT, cifar10:ROOT, imagenet:ROOT, folder:ROOT or NAME:ROOT")
    out: str = option("runs/train", "folder that receives checkpoints, weights, figures and curves")
    resume: str = option("auto", "auto continues the run in OUT; none begins anew; a PATH continues another run")
    seed: int = option(0, "decides initial values, the order of samples and all other random numbers")
    test_only: bool = option(False, "only evaluate: the checkpoint that resume names, or the initial model")
    save_every: int = option(0, "also save a checkpoint after so many steps; 0 saves after each epoch only")
    on_nan: Literal["raise", "skip"] = option("raise", "raise stops at a loss that is not finite; skip omits the step")
    on_unreadable: Literal["raise", "skip"] = option("raise", "skip takes the next image in place of an unreadable one")
    download: bool = option(False, "fetch the data set if it is missing")
    in_memory: bool = option(False, "decode all images once, at the validation size, and keep them in memory")
    workers: int = option(2, "threads or processes that load batches")
    worker_kind: Literal["threads", "processes"] = option("threads", "processes suit slow transforms in Python")
    tensorboard: bool = option(False, "also write event files for TensorBoard into OUT")

    # The model
    model: str = option("resnet18", "a classifier of funcvision.vision.models, or a small model of train.small_models")
    weights: str = option("none", "initial weights: the name of published ones, a file, or none")
    freeze: str = option("", "patterns of parameters that are not trained, as conv1.*,layer1.*")
    remat: bool = option(False, "recompute activations in the backward pass, which saves memory")
    amp: bool = option(False, "compute in bfloat16; parameters stay in float32")
    sync_bn: bool = option(True, "batch normalisation over the global batch; false: over the part on each device")

    # Optimisation
    batch_size: int = option(128, "images of a step over all devices and processes (torchvision's is per device)")
    accumulate: int = option(1, "cut each batch into so many parts, to save memory")
    epochs: int = option(90, "passes over the training set")
    opt: str = option("sgd", "sgd, sgd_nesterov, rmsprop, adamw, lamb, lion, muon or adafactor")
    lr: float = option(0.1, "learning rate after warm-up")
    head_lr_scale: float = option(1.0, "factor of the learning rate of the layer that depends on the number of classes")
    momentum: float = option(0.9, "of sgd, rmsprop and muon")
    weight_decay: float = option(1e-4, "rate of weight decay")
    norm_weight_decay: float | None = option(None, "rate for normalisation layers; none means weight-decay")
    bias_weight_decay: float | None = option(None, "rate for biases; none means weight-decay")
    transformer_embedding_decay: float | None = option(
        None, "rate for class tokens and position embeddings; none means weight-decay"
    )
    layer_decay: float = option(1.0, "factor of the learning rate from one block to the block before it")
    label_smoothing: float = option(0.0, "share of each target that is spread over all classes")
    bce: bool = option(False, "binary cross entropy for each class, in place of cross entropy")
    clip_grad_norm: float | None = option(None, "largest norm of the gradient; none does not clip")
    model_ema: bool = option(False, "keep a moving average of the model, and evaluate it")
    model_ema_steps: int = option(32, "steps between two updates of the average")
    model_ema_decay: float = option(0.99998, "decay of the average, scaled by batch, steps and epochs")

    # The learning rate
    lr_scheduler: str = option("steplr", "steplr, cosineannealinglr, exponentiallr, polynomiallr or constant")
    lr_per_epoch: bool = option(False, "hold the rate within an epoch, as torchvision does")
    lr_warmup_epochs: float = option(0.0, "epochs of warm-up, included in epochs")
    lr_warmup_method: str = option("constant", "linear or constant")
    lr_warmup_decay: float = option(0.01, "share of lr with which warm-up begins")
    lr_step_size: int = option(30, "epochs between two reductions by steplr")
    lr_gamma: float = option(0.1, "factor of steplr and exponentiallr")
    lr_min: float = option(0.0, "rate at the end of cosineannealinglr")

    # Augmentation
    mixup_alpha: float = option(0.0, "parameter of MixUp; 0 switches it off")
    cutmix_alpha: float = option(0.0, "parameter of CutMix; 0 switches it off")
    auto_augment: str | None = option(None, "ra, ta_wide, augmix, or a policy of AutoAugment: imagenet, cifar10, svhn")
    ra_magnitude: int = option(9, "magnitude of ra")
    augmix_severity: int = option(3, "severity of augmix")
    random_erase: float = option(0.0, "probability that a part of an image is erased")
    hflip: float = option(0.5, "probability that an image is mirrored")
    hflip_alternating: bool = option(False, "mirror each image in every other epoch, in place of hflip")
    random_crop_padding: int | None = option(
        None, "pad by so many pixels and crop to the former size, in place of crops of random size"
    )
    random_crop_padding_mode: str = option("constant", "what pads: constant (black), edge, reflect or symmetric")
    ra_sampler: bool = option(False, "repeated augmentation: each image several times in an epoch, fewer images")
    ra_reps: int = option(3, "repetitions of ra-sampler")
    interpolation: str = option("bilinear", "of resizing: nearest, bilinear or bicubic")
    train_crop_size: int = option(224, "height and width of training images, in pixels")
    val_resize_size: int = option(256, "shorter side of a test image before its crop, in pixels")
    val_crop_size: int = option(224, "height and width of test images, in pixels")
    image_size_schedule: str = option("", "training sizes by first epoch, as 0:128,6:160; empty: train-crop-size")

    # Devices and processes
    shard: Literal["none", "params"] = option("none", "params splits large parameters and moments over the devices")
    use_deterministic: bool = option(False, "deterministic algorithms on GPUs")
    coordinator: str | None = option(None, "HOST:PORT of the first process of a run of several; auto: jax finds it")
    num_processes: int | None = option(None, "how many processes the run has")
    process_id: int | None = option(None, "which of them this is, from 0")

    def __post_init__(self) -> None:
        _check(self)


Kind = TypeVar("Kind", bound=Options)


def parse(kind: type[Kind], pairs: Iterable[str]) -> Kind:
    """A recipe with options from text.

    Args:
        kind: the recipe.
        pairs: texts `key=value`. `batch-size` and `batch_size` are one key. Of a key that comes again the last
            value counts.

    Raises:
        OptionError: a key is unknown, or a value does not fit its option.

    >>> parse(Options, ["batch-size=64", "norm_weight_decay=none"]).batch_size
    64
    """
    known = _types(kind)
    values = {}
    for pair in pairs:
        written, equals, text = pair.partition("=")
        name = written.replace("-", "_")
        if name not in known:
            raise OptionError(f"there is no option {written!r}{HERE.get(name) or _closest(name, known)}")
        if not equals:
            raise OptionError(f"{written} has no value: write {written}=VALUE or --{written} VALUE")
        values[name] = _value(written, text, known[name])
    return kind(**values)


def from_dict(kind: type[Kind], values: dict[str, Any]) -> Kind:
    """A recipe with the options of `as_dict`. Those that the recipe lacks are left out."""
    return kind(**{name: value for name, value in values.items() if name in _types(kind)})


def as_dict(options: Options) -> dict[str, Any]:
    """The options by name, as JSON can hold them."""
    return dataclasses.asdict(options)


def shown(options: Options) -> dict[str, str]:
    """The value of each option, as it is written on the command line."""
    words = {None: "none", True: "true", False: "false"}
    return {
        name.replace("_", "-"): words[value] if value is None or isinstance(value, bool) else str(value)
        for name, value in as_dict(options).items()
    }


def meaning(kind: type[Options], name: str) -> str:
    """What an option means; a recipe inherits the texts of `Options`."""
    for parent in kind.__mro__:
        for field in dataclasses.fields(parent) if dataclasses.is_dataclass(parent) else ():
            if field.name == name and "text" in field.metadata:
                return field.metadata["text"]
    return ""


@functools.cache
def _types(kind: type[Options]) -> dict[str, Any]:
    return {field.name: typing.get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}


def _closest(name: str, known: Iterable[str]) -> str:
    near = [one.replace("_", "-") for one in difflib.get_close_matches(name, list(known), 3)]
    return f": did you mean {' or '.join(near)}?" if near else ": --show lists the options"


def _value(name: str, text: str, kind: Any) -> Any:
    """The value that a text stands for.

    Raises:
        OptionError: it is not of this kind.
    """
    if isinstance(kind, types.UnionType):
        if text.lower() == "none":
            return None
        kind = next(one for one in typing.get_args(kind) if one is not types.NoneType)
    if typing.get_origin(kind) is Literal:
        allowed = typing.get_args(kind)
        if text not in allowed:
            raise OptionError(f"{name}={text!r} must be one of {', '.join(allowed)}{_near(text, allowed)}")
        return text
    if kind is bool:
        yes, no = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
        if text.lower() not in yes + no:
            raise OptionError(f"{name}={text!r} must be true or false")
        return text.lower() in yes
    wanted = {int: "a whole number", float: "a number", str: "a text"}
    if kind not in wanted:  # of a recipe in a file
        raise OptionError(f"{name} is of type {kind}, which has no form as text: only the recipe can give its value")
    try:
        return kind(text)
    except ValueError as error:
        raise OptionError(f"{name}={text!r} must be {wanted[kind]}") from error


def _near(text: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(text, list(allowed), 1)
    return f"; did you mean {near[0]}?" if near else ""


CHOICES: dict[str, tuple[str, ...]] = {
    "opt": ("sgd", "sgd_nesterov", "rmsprop", "adamw", "lamb", "lion", "muon", "adafactor"),
    "lr_scheduler": ("steplr", "cosineannealinglr", "exponentiallr", "polynomiallr", "constant"),
    "lr_warmup_method": ("constant", "linear"), "interpolation": ("nearest", "bilinear", "bicubic"),
    "random_crop_padding_mode": ("constant", "edge", "reflect", "symmetric"),
    "auto_augment": ("ra", "ta_wide", "augmix", "imagenet", "cifar10", "svhn"),
}
"""The values of options that are words, beside those whose type lists them."""

HERE: dict[str, str] = {
    "data_path": ": data=imagenet:ROOT or data=folder:ROOT is torchvision's data-path",
    "output_dir": ": out is torchvision's output-dir",
    "device": ": the variable JAX_PLATFORMS chooses the device",
    "wd": ": write weight-decay",
    "print_freq": ": metrics.jsonl has a line for each step",
    "start_epoch": ": resume=auto and resume=PATH know the epoch",
    "cache_dataset": ": in-memory=true keeps decoded images",
    "world_size": ": num-processes, process-id and coordinator are the options of a run of several processes",
    "dist_url": ": coordinator=HOST:PORT is torchvision's dist-url",
    "use_deterministic_algorithms": ": write use-deterministic",
    "backend": ": images are read by Pillow, and transformed by funcvision's transforms",
    "use_v2": ": there is one kind of transforms",
}
"""What stands for the options of torchvision's references/classification/train.py whose names are others here."""

SMALLEST: dict[str, float] = {
    "epochs": 0, "batch_size": 1, "accumulate": 1, "save_every": 0, "workers": 0, "model_ema_steps": 1, "ra_reps": 1,
    "lr": 0, "weight_decay": 0, "label_smoothing": 0, "mixup_alpha": 0, "cutmix_alpha": 0, "random_erase": 0,
    "hflip": 0, "lr_warmup_epochs": 0, "lr_step_size": 1, "train_crop_size": 1, "val_crop_size": 1,
    "val_resize_size": 1, "momentum": 0, "head_lr_scale": 0, "norm_weight_decay": 0, "bias_weight_decay": 0,
    "transformer_embedding_decay": 0, "model_ema_decay": 0, "lr_warmup_decay": 0, "lr_gamma": 0, "lr_min": 0,
    "ra_magnitude": 0, "augmix_severity": 1, "random_crop_padding": 0, "seed": 0,
}
LARGEST: dict[str, float] = {
    "label_smoothing": 1, "random_erase": 1, "hflip": 1, "model_ema_decay": 1, "layer_decay": 1, "momentum": 1,
    "ra_magnitude": 30, "augmix_severity": 10,
}
ABOVE_0 = ("layer_decay", "clip_grad_norm")


def _check(options: Options) -> None:
    """OptionError if a value is out of range."""
    for name, allowed in CHOICES.items():
        value = getattr(options, name)
        if value is not None and value not in allowed:
            shown = name.replace("_", "-")
            raise OptionError(f"{shown}={value!r} must be one of {', '.join(allowed)}{_near(value, allowed)}")
    for bounds, words, sign in ((SMALLEST, "at least", 1), (LARGEST, "at most", -1)):
        for name, bound in bounds.items():
            value = getattr(options, name)
            if value is not None and not sign * value >= sign * bound:
                raise OptionError(f"{name.replace('_', '-')}={value} must be {words} {bound}")
    for name in _types(Options):
        value = getattr(options, name)
        if name in ABOVE_0 and value is not None and not value > 0:
            raise OptionError(f"{name.replace('_', '-')}={value} must be above 0")
        if isinstance(value, float) and not math.isfinite(value):
            raise OptionError(f"{name.replace('_', '-')}={value} must be a finite number")
