"""What torch's layers have besides a constructor and `forward`, and layers that find their sizes in the first call."""

from typing import Any

import jax.numpy as jnp

from ..tensor import Tensor
from .module import Module
from .parameter import Parameter

__all__ = ["MEMBERS", "lazy_layers"]


def _square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
    """A mask [sz, sz] that is 0 where a place may see another one, itself and those before it, and -inf elsewhere."""
    mask = jnp.triu(jnp.full((sz, sz), -jnp.inf, jnp.float32 if dtype is None else dtype), 1)
    return Tensor.wrap(mask) if device is None else Tensor.wrap(mask).to(device)


def _from_pretrained(cls: Any, embeddings: Tensor, freeze: bool = True, **options: Any) -> Any:
    """A layer with a given table. It is not trained if `freeze` is set."""
    if embeddings.ndim != 2:
        raise ValueError(f"a table of embeddings has two axes; got shape {tuple(embeddings.shape)}")
    layer = cls(*embeddings.shape, **options)
    layer.weight = Parameter(embeddings.detach(), requires_grad=not freeze)
    return layer


def _converted(cls: Any, module: Module, process_group: Any = None) -> Module:
    """The module. Its batch norms are not exchanged, because all batch norms see the whole batch in a sharded `jit`."""
    return module


def _flattened(self: Module) -> None:
    """Does nothing: the parameters need not lie side by side in memory."""


def _log_prob(self: Module, input: Tensor) -> Tensor:
    """The log-probabilities of all classes, [batch, classes]."""
    return self.forward(input)


def _predict(self: Module, input: Tensor) -> Tensor:
    """The most likely class of each row."""
    return self.forward(input).argmax(1)


MEMBERS: dict[str, dict[str, Any]] = {
    "AdaptiveLogSoftmaxWithLoss": {"log_prob": _log_prob, "predict": _predict},
    "Embedding": {"from_pretrained": classmethod(_from_pretrained)},
    "EmbeddingBag": {"from_pretrained": classmethod(_from_pretrained)},
    "GRU": {"flatten_parameters": _flattened}, "LSTM": {"flatten_parameters": _flattened},
    "RNN": {"flatten_parameters": _flattened},
    "SyncBatchNorm": {"convert_sync_batchnorm": classmethod(_converted)},
    "Transformer": {"generate_square_subsequent_mask": staticmethod(_square_subsequent_mask)},
}  # fmt: skip


class _Lazy(Module):
    """A layer that is made in the first call, when the number of its inputs is known. It then is of the usual class."""

    usual: type[Module]
    channels: int  # the axis of the input that holds them

    def __init__(self, *args: Any, **options: Any):
        super().__init__()
        vars(self)["_options"] = args, options

    def forward(self, *inputs: Tensor) -> Any:
        args, options = vars(self)["_options"]
        make: Any = self.usual
        layer = make(inputs[0].shape[self.channels], *args, **options)
        kept = {name: value for name, value in vars(self).items() if name in ("training", "_hooks")}
        vars(self).clear()
        vars(self).update({**vars(layer), **kept})
        self.__class__ = self.usual  # pyright: ignore[reportAttributeAccessIssue]
        return self.forward(*inputs)

    def extra_repr(self) -> str:
        """The options."""
        args, options = vars(self)["_options"]
        return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in options.items())])


def lazy_layers(layers: dict[str, type[Any]]) -> dict[str, type[Module]]:
    """The layers of torch whose names begin with Lazy, from the usual ones by name."""
    made = {"LazyLinear": -1}
    for n in (1, 2, 3):
        made |= {f"LazyConv{n}d": -n - 1, f"LazyConvTranspose{n}d": -n - 1, f"LazyBatchNorm{n}d": 1}
        made |= {f"LazyInstanceNorm{n}d": -n - 1}
    found = {}
    for name, channels in made.items():
        usual = layers[name.removeprefix("Lazy")]
        text = f"`{usual.__name__}` whose number of input channels is that of its first input."
        members = {"usual": usual, "channels": channels, "__doc__": text, "__module__": "funcvision.eager.nn"}
        found[name] = type(name, (_Lazy,), members)
    return found
