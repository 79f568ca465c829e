"""What the options of a run mean: the model, the optimiser, the loss and the average that they describe."""

import functools
import sys
import warnings
from collections.abc import Sequence
from typing import Any, cast

import jax
import optax
import optax.contrib

from .. import nn
from ..vision import models
from . import losses, schedules
from .decay import layer_decay, scale_by_name, weight_decay
from .ema import EMA
from .options import OptionError, Options
from .small_models import SMALL_MODELS

__all__ = [
    "Frozen", "Recomputed", "average", "describe_model", "head_of", "initial_arrays", "loss", "optimizer", "rate",
    "trained",
]


def describe_model(options: Options, num_classes: int, in_channels: int) -> nn.Module:
    """The description of the model that the options name.

    Raises:
        ValueError: there is no such model.
    """
    if options.model in SMALL_MODELS:
        return SMALL_MODELS[options.model](num_classes, in_channels=in_channels, **_image_size(options))
    return models.get_model(options.model, num_classes=num_classes, in_channels=in_channels, **_image_size(options))


def _image_size(options: Options) -> dict[str, Any]:
    """What vision transformers take besides: their position embeddings are of one size of images."""
    return {"image_size": options.train_crop_size} if options.model.startswith("vit_") else {}


def initial_arrays(
    options: Options, num_classes: int, in_channels: int, key: jax.Array
) -> tuple[dict[str, jax.Array] | None, dict[str, jax.Array] | None]:
    """Parameters and other arrays from the weights that the options name; None if they name none.

    Layers that do not fit the weights are freshly initialised, and a sentence on stderr names them.

    Raises:
        OptionError: the model is not one of `models.list_models()`.
        ValueError: there are no such weights, or they do not fit.
    """
    if options.weights == "none":
        return None, None
    if options.model in SMALL_MODELS:
        raise OptionError(f"weights={options.weights!r} needs a model of models.list_models(), not {options.model}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, params, state = models.load(
            options.model, options.weights, num_classes=num_classes, in_channels=in_channels, key=key, dtype="float32",
            **_image_size(options),
        )
    for warning in caught:
        print(warning.message, file=sys.stderr)
    return params, state


def head_of(model_for: Any, num_classes: int) -> set[str]:
    """The parameters whose shape depends on the number of classes.

    Args:
        model_for: a function from the number of classes to a description.
        num_classes: of the model.
    """
    one, other = (model_for(count).declarations() for count in (num_classes, num_classes + 1))
    return {name for name in one if name not in other or one[name].shape != other[name].shape}


def rate(options: Options, steps_per_epoch: int) -> optax.Schedule:
    """The learning rate by the number of the step.

    Raises:
        OptionError: the run has no epoch after warm-up.
    """
    shared: dict[str, Any] = {
        "steps_per_epoch": steps_per_epoch, "warmup_epochs": options.lr_warmup_epochs,
        "warmup_method": options.lr_warmup_method, "warmup_decay": options.lr_warmup_decay,
        "per_epoch": options.lr_per_epoch,
    }
    epochs, name = options.epochs, options.lr_scheduler
    if name in ("cosineannealinglr", "polynomiallr") and epochs <= options.lr_warmup_epochs:
        raise OptionError(f"epochs={epochs} must be more than lr-warmup-epochs={options.lr_warmup_epochs}")
    if name == "cosineannealinglr":
        return schedules.cosine(options.lr, epochs=epochs, lr_min=options.lr_min, **shared)
    if name == "polynomiallr":
        return schedules.polynomial(options.lr, epochs=epochs, power=1.0, **shared)
    if name == "exponentiallr":
        return schedules.exponential(options.lr, gamma=options.lr_gamma, **shared)
    if name == "constant":
        return schedules.constant(options.lr, **shared)
    return schedules.step(options.lr, step_size=options.lr_step_size, gamma=options.lr_gamma, **shared)


def optimizer(
    options: Options, model: nn.Module, schedule: optax.Schedule, head: set[str]
) -> optax.GradientTransformation:
    """The optimiser that the options describe.

    Weight decay is part of the gradient for SGD and RMSprop, as in torch; for the others it is decoupled.

    Args:
        options: of the run.
        model: the description of the model.
        schedule: the learning rate.
        head: the parameters for which `head_lr_scale` is.
    """
    decay = weight_decay(
        model, options.weight_decay, norm=options.norm_weight_decay, bias=options.bias_weight_decay,
        embedding=options.transformer_embedding_decay,
    )
    if options.opt.startswith("sgd"):
        momentum = options.momentum or None
        parts = [decay, optax.sgd(schedule, momentum, nesterov=options.opt == "sgd_nesterov")]
    elif options.opt == "rmsprop":  # eps and alpha are those of torchvision's reference
        parts = [decay, optax.rmsprop(schedule, 0.9, 0.0316, momentum=options.momentum, eps_in_sqrt=False)]
    else:
        parts = [*_direction(options, model), decay]
        parts += [optax.scale_by_trust_ratio()] * (options.opt == "lamb")
        parts += [optax.scale_by_learning_rate(schedule)]
    if options.layer_decay != 1.0:
        parts.append(layer_decay(model, options.layer_decay))
    if options.head_lr_scale != 1.0:
        parts.append(scale_by_name(dict.fromkeys(head, options.head_lr_scale)))
    if options.freeze:
        parts.append(optax.masked(optax.set_to_zero(), _is_frozen(model, options.freeze.split(","))))
    return optax.chain(*parts)


def _direction(options: Options, model: nn.Module) -> list[optax.GradientTransformation]:
    """The direction of an update of an optimiser with decoupled weight decay, before the learning rate."""
    if options.opt == "lion":
        return [optax.scale_by_lion()]
    if options.opt == "adafactor":
        return [optax.adafactor(None, multiply_by_parameter_scale=False), optax.scale(-1.0)]
    if options.opt == "muon":
        axes = {name: len(one.shape) for name, one in model.declarations().items() if isinstance(one, nn.Param)}
        matrices = {  # kernels [height, width, in, out] are matrices with three reduced axes
            name: optax.contrib.MuonDimensionNumbers(tuple(range(count - 1)), count - 1) if count in (2, 4) else None
            for name, count in axes.items()
        }
        muon = optax.contrib.muon(1.0, beta=options.momentum, muon_weight_dimension_numbers=cast(Any, matrices))
        return [muon, optax.scale(-1.0)]
    return [optax.scale_by_adam(eps=1e-6 if options.opt == "lamb" else 1e-8)]


def loss(options: Options) -> losses.Loss:
    """The loss that the options describe. Of a model with auxiliary outputs it takes the main output."""
    kind = losses.binary_cross_entropy if options.bce else losses.cross_entropy
    value = kind(label_smoothing=options.label_smoothing)
    return lambda output, labels: value(getattr(output, "logits", output), labels)


def average(options: Options, steps_per_epoch: int) -> EMA | None:
    """The moving average that the options describe."""
    if not options.model_ema:
        return None
    return EMA.scaled(
        options.model_ema_decay, batch_size=options.batch_size, epochs=max(1, options.epochs),
        every=options.model_ema_steps, steps_per_epoch=steps_per_epoch,
        warmup_steps=int(options.lr_warmup_epochs * steps_per_epoch),
    )


def trained(options: Options, model: nn.Module) -> Any:
    """The model as the training step calls it: without gradients of what is frozen, recomputed if asked for."""
    chosen: Any = Frozen(model, options.freeze.split(",")) if options.freeze else model
    return Recomputed(chosen) if options.remat else chosen


class Frozen:
    """A model without gradients with respect to some parameters.

    The backward pass then ends at the first layer that is trained. An optimiser that only leaves these parameters as
    they are does not save this time, because the norm of all gradients is a metric of each step.

    Args:
        model: the description of the model.
        patterns: of the names of parameters, as `models.freeze` takes them.
    """

    def __init__(self, model: nn.Module, patterns: Sequence[str]):
        self.model, self._frozen = model, _is_frozen(model, patterns)

    def apply(self, params: Any, state: Any, x: jax.Array, *, train: bool, key: jax.Array) -> Any:
        """`model.apply`."""
        params = {name: jax.lax.stop_gradient(p) if self._frozen[name] else p for name, p in params.items()}
        return self.model.apply(params, state, x, train=train, key=key)


def _is_frozen(model: nn.Module, patterns: Sequence[str]) -> dict[str, bool]:
    """For each parameter, whether its name matches one of the patterns."""
    names = [name for name, declared in model.declarations().items() if isinstance(declared, nn.Param)]
    return models.freeze(dict.fromkeys(names), *patterns)


class Recomputed:
    """A model whose activations are computed again in the backward pass; only outputs of matrix products are kept.

    Args:
        model: the description.
    """

    def __init__(self, model: nn.Module):
        self.model = model

    def apply(self, params: Any, state: Any, x: jax.Array, *, train: bool, key: jax.Array) -> Any:
        """`model.apply`, under `jax.checkpoint`."""
        def kept(primitive: Any, *_: Any, **__: Any) -> bool:
            return primitive.name.startswith(("conv", "dot_general"))

        @functools.partial(jax.checkpoint, policy=kept)
        def run(params: Any, state: Any, x: jax.Array, key: jax.Array) -> Any:
            return self.model.apply(params, state, x, train=train, key=key)

        return run(params, state, x, key)

