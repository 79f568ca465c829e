"""Mixed precision: `autocast` computes products in bfloat16, and `GradScaler` is there for scripts that use it."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._autocast import Casts
from ._base import TensorBase
from ._modes import ContextDecorator, mode

__all__ = [
    "GradScaler", "autocast", "custom_bwd", "custom_fwd", "get_autocast_dtype", "is_autocast_available",
    "is_autocast_enabled",
]  # fmt: skip

_DEVICES = ("cpu", "cuda", "gpu", "tpu", "mps", "xpu")
_GPUS = ("cuda", "gpu")


class autocast(ContextDecorator):
    """A context, or a decorator, in which matrix products, convolutions, attention and RNNs compute in bfloat16.

    Losses, Fourier transforms and decompositions are computed in float32 there. All other operations keep the dtypes of
    their arguments; so do GRUs and single LSTM cells. These are torch's lists for the CPU, on all devices. A model that
    is one node of the graph, such as `eager.Module(model)` or `nn.TransformerEncoderLayer`, keeps them, too: convert
    its parameters instead.

    Args:
        device_type: "cpu", "cuda", "gpu" or "tpu". Where there is no such device, autocast is off, with a warning.
        dtype: bfloat16 or float16. The default is bfloat16 on all devices.
        enabled: whether autocast is on, or off within another autocast.
        cache_enabled: cast weights once within the context, and not at each use.

    Raises:
        RuntimeError: the device type is unknown.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ):
        super().__init__()
        if device_type not in _DEVICES:
            raise RuntimeError(f"User specified an unsupported autocast device_type {device_type!r}")
        self.device, self.fast_dtype = device_type, jnp.bfloat16 if dtype is None else dtype
        self._cached = cache_enabled is not False
        self._enabled = enabled and _is_possible(device_type, np.dtype(self.fast_dtype))

    def _enter(self) -> Any:
        before = mode.autocast
        mode.autocast = Casts(self.fast_dtype, self._cached) if self._enabled else None
        return before

    def _exit(self, before: Any) -> None:
        mode.autocast = before

    def clone(self) -> "autocast":
        """A context with the same options."""
        copy = object.__new__(type(self))
        vars(copy).update(vars(self), _entered=[])
        return copy


def _is_possible(device_type: str, dtype: np.dtype) -> bool:
    if not is_autocast_available(device_type):
        warnings.warn(
            f"autocast was asked for device_type={device_type!r}, but jax has no such device here: autocast is off",
            UserWarning, stacklevel=3,
        )  # fmt: skip
        return False
    if dtype not in (np.dtype(jnp.bfloat16), np.dtype(jnp.float16)):
        warnings.warn(
            f"autocast takes bfloat16 or float16 as its dtype; got {dtype}: autocast is off", UserWarning, stacklevel=3
        )
        return False
    return True


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast can be used on devices of this type here. On the CPU it can always be."""
    return device_type == "cpu" or device_type == jax.default_backend() or (
        device_type in _GPUS and jax.default_backend() in ("gpu", "cuda", "rocm")
    )


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is on in this thread. It is on for all devices alike."""
    return mode.autocast is not None


def get_autocast_dtype(device_type: str = "cpu") -> Any:
    """The dtype to which the innermost autocast casts; bfloat16 outside."""
    dtype = mode.autocast.dtype if isinstance(mode.autocast, Casts) else np.dtype(jnp.bfloat16)
    return TensorBase.result.wrap(jnp.zeros((), dtype)).dtype


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str = "cpu", cast_inputs: Any = None
) -> Callable[..., Any]:
    """A decorator of the `forward` of an `autograd.Function`, so that `custom_bwd` can use the same autocast.

    Args:
        fwd: the method.
        device_type: accepted, without effect.
        cast_inputs: a dtype to which floating-point Tensors are cast if autocast is on. It is then off within.
    """
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        used = mode.autocast
        if cast_inputs is None or used is None:
            ctx._autocast = used
            return fwd(ctx, *args, **kwargs)
        ctx._autocast = None
        args, kwargs = jax.tree.map(lambda leaf: _cast_floating(leaf, cast_inputs), (args, kwargs))
        return _with_casts(None, fwd, ctx, *args, **kwargs)

    return decorated


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str = "cpu") -> Callable[..., Any]:
    """A decorator of the `backward` of an `autograd.Function`: it runs with the autocast of its `custom_fwd`.

    Args:
        bwd: the method.
        device_type: accepted, without effect.
    """
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(ctx: Any, *args: Any) -> Any:
        return _with_casts(getattr(ctx, "_autocast", None), bwd, ctx, *args)

    return decorated


def _with_casts(casts: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    before, mode.autocast = mode.autocast, casts
    try:
        return function(*args, **kwargs)
    finally:
        mode.autocast = before


def _cast_floating(leaf: Any, dtype: Any) -> Any:
    is_floating = isinstance(leaf, TensorBase) and leaf.is_floating_point() and leaf.array.dtype != np.float64
    return leaf.to(dtype) if is_floating else leaf  # pyright: ignore[reportAttributeAccessIssue]


class GradScaler:
    """torch's scaler of losses, which does nothing here: bfloat16 has the range of float32, so nothing underflows.

    It says so once, by a warning. `scale` returns its argument, `step` calls the optimizer, and the scale is 1.

    Args:
        device: accepted, without effect.
        init_scale: accepted, without effect.
        growth_factor: kept in the state dict.
        backoff_factor: kept in the state dict.
        growth_interval: kept in the state dict.
        enabled: what `is_enabled` answers.
    """

    _has_warned = False

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ):
        self._enabled = enabled
        self._options = {
            "growth_factor": growth_factor, "backoff_factor": backoff_factor, "growth_interval": growth_interval,
        }  # fmt: skip
        if enabled and not GradScaler._has_warned:
            GradScaler._has_warned = True
            warnings.warn(
                "GradScaler scales nothing here: autocast computes in bfloat16, which has the range of float32. With "
                "float16, scale the loss and the learning rate yourself",
                UserWarning, stacklevel=2,
            )  # fmt: skip

    def scale(self, outputs: Any) -> Any:
        """The outputs, unchanged."""
        return outputs

    def unscale_(self, optimizer: Any) -> None:
        """Does nothing: gradients are not scaled."""

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """`optimizer.step(*args, **kwargs)`."""
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Does nothing: the scale stays 1."""

    def get_scale(self) -> float:
        """1."""
        return 1.0

    def is_enabled(self) -> bool:
        """Whether it was made with `enabled`."""
        return self._enabled

    def get_growth_factor(self) -> float:
        """The option of this name."""
        return self._options["growth_factor"]

    def get_backoff_factor(self) -> float:
        """The option of this name."""
        return self._options["backoff_factor"]

    def get_growth_interval(self) -> int:
        """The option of this name."""
        return int(self._options["growth_interval"])

    def state_dict(self) -> dict[str, Any]:
        """torch's entries; empty if it was made with `enabled=False`."""
        return {"scale": 1.0, **self._options, "_growth_tracker": 0} if self._enabled else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the options of a state dict, and not its scale.

        Raises:
            RuntimeError: the state dict is empty, because its scaler was made with `enabled=False`.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty: was its scaler made with enabled=False?")
        self._options = {name: state_dict[name] for name in self._options}
