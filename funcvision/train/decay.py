"""Weight decay by groups of parameters, and learning rates by parameter, which decay from layer to layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import optax

from .. import nn

__all__ = ["decay_mask", "layer_decay", "layer_scales", "scale_by_name", "weight_decay"]

NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d,
    nn.InstanceNorm3d, nn.LayerNorm, nn.LocalResponseNorm, nn.RMSNorm, nn.SyncBatchNorm,
)
EMBEDDINGS = {"class_token", "pos_embedding", "position_embedding", "relative_position_bias_table"}
"""Names of class tokens and position embeddings. torchvision's list lacks `pos_embedding`, its ViT's own name."""


def _groups(model: nn.Module) -> dict[str, tuple[str, ...]]:
    """For each parameter the groups that it belongs to, the strongest first: embedding, bias, norm, other."""
    modules, groups = dict(model.named_modules()), {}
    for name, declared in model.declarations().items():
        if isinstance(declared, nn.Param):
            path, _, attribute = name.rpartition(".")
            found = ["embedding"] * (attribute in EMBEDDINGS) + ["bias"] * (attribute == "bias")
            groups[name] = (*found, *["norm"] * isinstance(modules[path], NORMS), "other")
    return groups


def decay_mask(model: nn.Module) -> dict[str, bool]:
    """Which parameters weight decay is for: all but those of normalisations, biases, class tokens, embeddings.

    Give it to an optimiser as its mask, as in `optax.adamw(1e-3, mask=decay_mask(model))`. A bias is a parameter of
    the name `bias`, as in torchvision's reference; so `in_proj_bias` of an attention layer decays.

    >>> decay_mask(nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)))
    {'0.weight': True, '0.bias': False, '1.weight': False, '1.bias': False}
    """
    return {name: groups == ("other",) for name, groups in _groups(model).items()}


def weight_decay(
    model: nn.Module, rate: float, *, norm: float | None = None, bias: float | None = None,
    embedding: float | None = None,
) -> optax.GradientTransformation:
    """Adds `rate * parameter` to each gradient, with other rates for some groups.

    The groups are those of torchvision's `set_weight_decay`. Where a parameter belongs to several groups whose rate is
    given, the embedding rate wins over the bias rate, and the bias rate over the norm rate. Put it before the
    optimiser, as in `optax.chain(weight_decay(model, 1e-4, norm=0.0), optax.sgd(0.1))`; for AdamW put it after
    `optax.scale_by_adam()`.

    Args:
        model: the description of the model.
        rate: for all parameters of no other group.
        norm: for the parameters of normalisation layers; None means `rate`.
        bias: for parameters of the name `bias`; None means `norm` in normalisation layers and `rate` elsewhere.
        embedding: for class tokens, position embeddings and relative position biases; None means `rate`.
    """
    given = {"embedding": embedding, "bias": bias, "norm": norm, "other": rate}
    rates: dict[str, float] = {}
    for name, groups in _groups(model).items():
        rates[name] = next(value for group in groups if (value := given[group]) is not None)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        if params is None:
            raise ValueError("weight_decay needs the parameters: call update(gradients, state, params)")
        decayed = {
            name: gradient + rates[name] * params[name] if rates[name] else gradient
            for name, gradient in updates.items()
        }
        return decayed, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def layer_decay(model: nn.Module, decay: float = 0.75) -> optax.GradientTransformation:
    """Scales the update of each parameter by `layer_scales(model, decay)`. Put it after the optimiser."""
    return scale_by_name(layer_scales(model, decay))


def scale_by_name(scales: Mapping[str, float]) -> optax.GradientTransformation:
    """Multiplies the update of each parameter by the factor under its name; others stay as they are.

    Put it after the optimiser: then the factors are those of the learning rates.
    """
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return {name: value * scales.get(name, 1.0) for name, value in updates.items()}, state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def layer_scales(model: nn.Module, decay: float = 0.75) -> dict[str, float]:
    """The factor of each parameter's learning rate: 1 for the head, `decay ** k` for what lies k blocks before it.

    See Clark et al. 2020, https://arxiv.org/abs/2003.10555, and Bao et al. 2021, https://arxiv.org/abs/2106.08254. A
    block is a module with layers in it whose class occurs more than once, such as an encoder block of a ViT or a
    residual block of a ResNet. What precedes the first block counts as one block, and what follows the last block is
    the head. A model without such blocks, such as a plain stack of layers, has a block for each layer with parameters.

    Args:
        model: the description of the model.
        decay: the factor from one block to the one before it, above 0 and at most 1.

    Raises:
        ValueError: `decay` is out of range.

    >>> layer_scales(nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False)), 0.5)
    {'0.weight': 0.5, '2.weight': 1.0}
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay={decay} must be above 0 and at most 1")
    names = [name for name, declared in model.declarations().items() if isinstance(declared, nn.Param)]
    parts = [(path, is_block) for path, is_block in _parts(model) if any(_within(name, path) for name in names)]
    has_blocks = any(is_block for _, is_block in parts)
    if not has_blocks:  # each layer but the last one is a block, and nothing precedes the first
        parts = [(path, path != parts[-1][0]) for path, _ in parts]
    count, seen = sum(is_block for _, is_block in parts), 0
    distances = {}  # from the head, in blocks
    for path, is_block in parts:
        seen += is_block
        is_head = seen == count and not is_block
        distances[path] = 0 if is_head else count + 1 - seen
    before_all = count + has_blocks  # for parameters of the model itself, such as a class token
    return {
        name: decay ** next((d for path, d in distances.items() if _within(name, path)), before_all) for name in names
    }


def _within(name: str, path: str) -> bool:
    return name == path or name.startswith(f"{path}.")


def _parts(model: nn.Module) -> Iterator[tuple[str, bool]]:
    """The blocks and the single layers of a model in the order of its declarations, and whether each is a block."""
    counts: dict[type, int] = {}
    for _, module in model.named_modules():
        counts[type(module)] = counts.get(type(module), 0) + 1

    def walk(path: str, module: nn.Module) -> Iterator[tuple[str, bool]]:
        for name, child in module.children().items():
            inner = f"{path}.{name}" if path else name
            if not child.children():
                yield inner, False
            elif isinstance(child, nn.Sequential) or counts[type(child)] == 1:
                yield from walk(inner, child)
            else:
                yield inner, True

    return walk("", model)
