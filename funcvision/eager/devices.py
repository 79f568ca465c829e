"""Devices under torch's names: `device("cpu")`, `device("cuda:0")`, `device("tpu")`. jax's devices do the work."""

from typing import Any

import jax
from jax.core import Tracer

__all__ = [
    "device", "devices_of", "get_default_device", "get_explicit_default", "of_array", "of_jax", "placed", "resolved",
    "set_default_device",
]  # fmt: skip

_PLATFORMS = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu"}  # torch's names of types, and jax's names of platforms
_ALIASES = {"gpu": "cuda", "rocm": "cuda", "xla": "tpu"}
_KNOWN_ELSEWHERE = ("hpu", "meta", "mps", "mtia", "xpu")  # types of torch that jax has no devices for


class device:
    """A device, by its type and its number. As a context manager, it is where Tensors are created.

    Args:
        type: "cpu", "cuda", "tpu", one of them with a number, such as "cuda:1", or the number of a GPU.
        index: the number. Without it, the first device of the type is meant.

    >>> device("cuda:1"), device("cpu").type, device("cuda", 1).index
    (device(type='cuda', index=1), 'cpu', 1)
    """

    __slots__ = ("_outer", "index", "type")

    def __init__(self, type: Any, index: int | None = None):
        self._outer: list[Any] = []
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int):
            type, index = "cuda", type
        name, _, number = type.partition(":")
        name = _ALIASES.get(name, name)
        if (name not in _PLATFORMS and name not in _KNOWN_ELSEWHERE) or (":" in type and not number.isdecimal()):
            raise RuntimeError(f'{type!r} is not a device: give "cpu", "cuda", "tpu", or one with a number, "cuda:1"')
        if number and index is not None:
            raise RuntimeError(f"the device {type!r} has a number; index={index} gives a second one")
        self.type: str = name
        self.index: int | None = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, jax.Device):
            return other == self._find(missing=None)
        return (self.type, self.index) == (other.type, other.index) if isinstance(other, device) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._find(missing=(self.type, self.index)))  # equal to the device of jax

    def __repr__(self) -> str:
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> Any:
        return device, (str(self),)

    def __enter__(self) -> "device":
        self._outer.append(_default)
        set_default_device(self)
        return self

    def __exit__(self, *exception: Any) -> None:
        set_default_device(self._outer.pop())

    def _find(self, missing: Any) -> Any:
        """jax's device, or `missing`."""
        found = devices_of(self.type)
        return found[self.index or 0] if len(found) > (self.index or 0) else missing


_default: device | None = None


def devices_of(type: str) -> list[Any]:
    """jax's devices of a type that belong to this process."""
    platform = _PLATFORMS.get(type)
    if platform is None:
        return []
    if platform == "cpu":
        return jax.local_devices(backend="cpu")
    return [found for found in jax.local_devices() if found.platform == platform]


def resolved(place: Any) -> Any:
    """jax's device, or the sharding, for anything that names a place: a string, a number, a device or a sharding.

    Raises:
        RuntimeError: there is no such device.
    """
    if isinstance(place, jax.Device | jax.sharding.Sharding):
        return place
    wanted = device(place)
    found = wanted._find(missing=None)
    if found is None:
        present = ", ".join(dict.fromkeys(str(of_jax(d)) for d in (*jax.local_devices(), *devices_of("cpu"))))
        raise RuntimeError(f'there is no device "{wanted}" here; jax has {present}')
    return found


def of_jax(found: Any) -> device:
    """The device object for a device of jax. The first CPU has no number."""
    type = next((ours for ours, theirs in _PLATFORMS.items() if theirs == found.platform), found.platform)
    made = device.__new__(device)
    made.type, made._outer = type, []
    number = devices_of(type).index(found) if found in devices_of(type) else found.id
    made.index = None if type == "cpu" and number == 0 else number
    return made


def of_array(array: jax.Array) -> Any:
    """The device of an array, or its sharding if it lies on several. While a function is compiled: the default one."""
    if isinstance(array, Tracer):
        return get_default_device()
    found = array.device
    return of_jax(found) if isinstance(found, jax.Device) else found


def placed(array: jax.Array, place: Any = None) -> jax.Array:
    """A new array on a device; without one, on the default device."""
    place = _default if place is None else place
    if place is None:
        return array
    target = resolved(place)
    if isinstance(array, Tracer) and isinstance(target, jax.Device):
        return array  # a compiled function runs where its arguments are
    return array if target == array.device else jax.device_put(array, target)


def get_explicit_default() -> device | None:
    """The device that `set_default_device` got last."""
    return _default


def get_default_device() -> device:
    """The device on which Tensors are created."""
    if _default is not None:
        return _default
    default = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    return of_jax(default if isinstance(default, jax.Device) else jax.local_devices()[0])


def set_default_device(place: Any) -> None:
    """Changes the device on which Tensors are created. None gives the choice back to jax."""
    global _default
    if place is not None:
        resolved(place)
    _default = None if place is None else device(place)
