"""Checkpointing: what a part of a model would save for the backward pass is computed again in the backward pass."""

from collections.abc import Callable, Sequence
from typing import Any

from .._modes import enable_grad, is_grad_enabled, mode
from ..autograd.graph import saved_tensors_hooks
from ..random import get_rng_state, set_rng_state
from ..tensor import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Segment:
    """A call whose saved Tensors are computed again when the backward pass reads the first of them."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], keeps_random: bool):
        self._function, self._args, self._kwargs = function, args, kwargs
        self._random = get_rng_state() if keeps_random else None
        self._autocast = mode.autocast
        self._count = 0
        self._saved: dict[int, Tensor] = {}

    def pack(self, tensor: Tensor) -> int:
        """The number of a saved Tensor."""
        self._count += 1
        return self._count - 1

    def unpack(self, number: int) -> Tensor:
        """The Tensor with this number. It is given once; then the segment is computed again."""
        if number not in self._saved:
            self._compute()
        return self._saved.pop(number)

    @staticmethod
    def _collect(saved: dict[int, Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda tensor: saved.setdefault(len(saved), tensor.detach())

    def _compute(self) -> None:
        saved: dict[int, Tensor] = {}
        before, self_random = get_rng_state(), self._random
        autocast, mode.autocast = mode.autocast, self._autocast
        if self_random is not None:
            set_rng_state(self_random)
        try:
            with enable_grad(), saved_tensors_hooks(self._collect(saved), lambda tensor: tensor):
                self._function(*self._args, **self._kwargs)
        finally:
            mode.autocast = autocast
            if self_random is not None:
                set_rng_state(before)
        if len(saved) != self._count:
            raise RuntimeError(
                f"checkpoint: the function saved {self._count} Tensors in the forward pass and {len(saved)} when it "
                "was computed again. It must do the same each time"
            )
        self._saved = saved


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True,
    context_fn: Any = None, determinism_check: str = "default", debug: bool = False, early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Calls a function without keeping what its backward pass needs, which is computed again then.

    Args:
        function: a function or module. It must do the same each time it is called.
        args: its positional arguments.
        use_reentrant: accepted, without effect: gradients are those of torch's `use_reentrant=False`.
        preserve_rng_state: whether dropout draws the same numbers again.
        context_fn: accepted, without effect, as `determinism_check`, `debug` and `early_stop` are.
        determinism_check: without effect.
        debug: without effect.
        early_stop: without effect.
        kwargs: its keyword arguments.

    Raises:
        RuntimeError: in the backward pass: the function did something else when it was called again.
    """
    if mode.trace is not None or not is_grad_enabled():
        return function(*args, **kwargs)
    segment = _Segment(function, args, kwargs, preserve_rng_state)
    with saved_tensors_hooks(segment.pack, segment.unpack):
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Calls modules one after the other, in segments of which each but the last is checkpointed.

    Args:
        functions: an `nn.Sequential`, or a sequence of modules or functions.
        segments: the number of segments.
        input: the argument of the first.
        use_reentrant: accepted, without effect.
        kwargs: `preserve_rng_state`.

    Raises:
        ValueError: there are fewer functions than segments.
    """
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(parts) // segments
    if not size:
        raise ValueError(f"{len(parts)} functions cannot be cut into segments={segments}")
    for start in range(0, size * (segments - 1), size):
        input = checkpoint(_chain(parts[start : start + size]), input, use_reentrant=use_reentrant, **kwargs)
    return _chain(parts[size * (segments - 1) :])(input)


def _chain(functions: Sequence[Callable[..., Any]]) -> Callable[[Any], Any]:
    def chained(x: Any) -> Any:
        for function in functions:
            x = function(x)
        return x

    return chained
