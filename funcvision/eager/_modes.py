"""The modes of a thread: whether operations are recorded, inference mode, anomaly detection and autocast."""

import functools
import inspect
import threading
from collections.abc import Callable, Generator
from typing import Any

__all__ = [
    "ContextDecorator", "enable_grad", "inference_mode", "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled", "makes_inference_tensors", "mode", "no_grad", "recording",
    "set_grad_enabled",
]  # fmt: skip


class _Mode(threading.local):
    """The modes of the current thread.

    Attributes:
        recording: whether operations are recorded.
        inference: whether new Tensors are inference Tensors. Then nothing is recorded.
        anomalies: None, or whether a backward pass checks for NaN; the graph notes where each node was made.
        autocast: None, or the function that casts the arguments of an operation: (name, args, kwargs) -> the same.
        trace: None, or the trace of a function that jax traces; see `_trace`.
        packing_error: None, or the message of the error that `saved_tensors_hooks` raises.
        packing: the pairs (pack, unpack) of `saved_tensors_hooks` that are active, innermost last.
    """

    recording: bool = True
    inference: bool = False
    anomalies: bool | None = None
    autocast: Callable[[str, Any, Any], tuple[Any, Any]] | None = None
    trace: Any = None
    packing_error: str | None = None
    packing: tuple[tuple[Callable[..., Any], Callable[..., Any]], ...] = ()


mode = _Mode()


class ContextDecorator:
    """A context manager that is also a decorator: of functions, of generator functions and of classes.

    It can be entered any number of times. Subclasses define `_enter`, which returns what `_exit` needs.
    """

    def __init__(self) -> None:
        self._entered: list[Any] = []

    def _enter(self) -> Any:
        raise NotImplementedError

    def _exit(self, before: Any) -> None:
        raise NotImplementedError

    def clone(self) -> "ContextDecorator":
        """A context of the same kind that has not been entered. A decorated function enters it."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        self._entered.append(self._enter())
        return self

    def __exit__(self, *error: Any) -> None:
        self._exit(self._entered.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)
            return function
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return within

    def _around_generator(self, function: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
        """A generator function whose body runs in the context, while the code that consumes it does not."""

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            generator = function(*args, **kwargs)
            resume: Callable[[Any], Any] = generator.send
            value: Any = None
            while True:
                try:
                    with self.clone():
                        item = resume(value)
                except StopIteration as end:
                    return end.value
                try:
                    value = yield item
                    resume = generator.send
                except GeneratorExit:
                    with self.clone():
                        generator.close()
                    raise
                except BaseException as error:
                    resume, value = generator.throw, error

        return within


class _Recording(ContextDecorator):
    """A context and a decorator in which operations are recorded, or are not."""

    def __init__(self, enabled: bool):
        super().__init__()
        self.enabled = enabled

    def _enter(self) -> bool:
        before = mode.recording
        mode.recording = self.enabled and not mode.inference
        return before

    def _exit(self, before: bool) -> None:
        mode.recording = before

    def clone(self) -> "_Recording":
        return _Recording(self.enabled)


class _Set(_Recording):
    """Records, or does not, from now on; as a context until its end; as a decorator in the function only."""

    def __init__(self, enabled: bool):
        super().__init__(enabled)
        self._entered.append(self._enter())

    def __enter__(self) -> Any:
        if len(self._entered) != 1 or mode.recording != self.enabled:  # it is entered later, or a second time
            return super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._entered:
            super().__exit__(*error)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.__exit__()
        return super().__call__(function)


class _Inference(ContextDecorator):
    """A context and a decorator of inference mode."""

    users = 0  # the number of contexts that all threads have entered: while it is 0, new Tensors need not ask

    def __init__(self, enabled: bool):
        super().__init__()
        self.enabled = enabled

    def _enter(self) -> tuple[bool, bool]:
        before = mode.recording, mode.inference
        mode.recording, mode.inference = not self.enabled, self.enabled
        _Inference.users += 1
        return before

    def _exit(self, before: tuple[bool, bool]) -> None:
        _Inference.users -= 1
        mode.recording, mode.inference = before

    def clone(self) -> "_Inference":
        return _Inference(self.enabled)


def is_grad_enabled() -> bool:
    """Whether operations on Tensors that require a gradient are recorded in this thread."""
    return mode.recording


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in `inference_mode`."""
    return mode.inference


def makes_inference_tensors() -> bool:
    """`is_inference_mode_enabled`, which costs almost nothing while no thread is in inference mode."""
    return _Inference.users > 0 and mode.inference


def recording(enabled: bool) -> _Recording:
    """A context in which operations are recorded, or are not."""
    return _Recording(enabled)


def no_grad(function: Callable[..., Any] | None = None) -> Any:
    """A context, or a decorator, that does not record operations. Leaves may be changed in place in it."""
    return _Recording(False) if function is None else _Recording(False)(function)


def enable_grad(function: Callable[..., Any] | None = None) -> Any:
    """A context, or a decorator, that records operations within a `no_grad`. In inference mode it has no effect."""
    return _Recording(True) if function is None else _Recording(True)(function)


def set_grad_enabled(mode: bool) -> Any:
    """Records operations of this thread from now on if `mode` is set; as a context or a decorator, only within it."""
    return _Set(bool(mode))


def inference_mode(mode: Any = True) -> Any:
    """A context, or a decorator, like `no_grad`. Tensors made in it answer True to `is_inference`.

    Args:
        mode: whether to turn inference mode on, or off; or the function to decorate.
    """
    return _Inference(bool(mode)) if not callable(mode) else _Inference(True)(mode)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on in this thread."""
    return mode.anomalies is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection looks for NaN in this thread. It does by default."""
    return mode.anomalies is not False
