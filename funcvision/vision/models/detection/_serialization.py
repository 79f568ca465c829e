"""Makes the arguments and results of detectors known to `jax.export`, so that exported detectors can be written."""

from typing import TypeVar

import jax

__all__ = ["exportable"]

T = TypeVar("T", bound=type)


def exportable(kind: T) -> T:
    """Decorator of a registered dataclass all of whose fields are arrays or dataclasses of arrays."""
    jax.export.register_pytree_node_serialization(
        kind, serialized_name=f"funcvision.{kind.__name__}",
        serialize_auxdata=lambda _: b"", deserialize_auxdata=lambda _: (),
    )
    return kind
