"""Describes nested containers in JSON, so that a file needs no Python class to rebuild them.

A structure is `"*"` for a leaf, None for None, or a dict with the one key "dict", "list" or "tuple" and the structures
of the children. Any other node that jax knows, such as a dataclass or a named tuple, becomes a dict by the names of its
fields.
"""

from typing import Any

import jax

__all__ = ["count", "flatten", "names", "unflatten"]

LEAF = "*"


def flatten(tree: Any) -> tuple[Any, list[Any]]:
    """`(structure, leaves)` of a tree.

    Raises:
        TypeError: a dict has a key that is not a string.
    """
    leaves: list[Any] = []

    def describe(node: Any) -> Any:
        if node is None:
            return None
        if isinstance(node, dict):
            return of_fields(node)
        if isinstance(node, list) or type(node) is tuple:
            return {type(node).__name__: [describe(child) for child in node]}
        children = jax.tree_util.tree_flatten_with_path(node, is_leaf=lambda child: child is not node)[0]
        if len(children) == 1 and children[0][0] == ():
            leaves.append(node)
            return LEAF
        return of_fields({jax.tree_util.keystr(path, simple=True): child for path, child in children})

    def of_fields(fields: dict[Any, Any]) -> Any:
        for key in fields:
            if not isinstance(key, str):
                raise TypeError(f"an exported function takes and returns dicts whose keys are strings; got {key!r}")
        return {"dict": {key: describe(fields[key]) for key in sorted(fields)}}

    return describe(tree), leaves


def unflatten(structure: Any, leaves: list[Any]) -> Any:
    """The tree with a structure and leaves as `flatten` returns them.

    Raises:
        ValueError: this is not a structure, or it has another number of leaves.
    """
    remaining = iter(leaves)

    def build(node: Any) -> Any:
        if node is None:
            return None
        if node == LEAF:
            return next(remaining)
        if isinstance(node, dict) and len(node) == 1:
            ((kind, children),) = node.items()
            if kind == "dict" and isinstance(children, dict):
                return {key: build(children[key]) for key in sorted(children)}
            if kind in ("list", "tuple") and isinstance(children, list):
                built = [build(child) for child in children]
                return built if kind == "list" else tuple(built)
        raise ValueError(f"{str(node)[:80]!r} does not describe a container")

    if (expected := count(structure)) != len(leaves):
        raise ValueError(f"the structure has {expected} leaves, and there are {len(leaves)}")
    return build(structure)


def count(structure: Any) -> int:
    """The number of leaves of a structure."""
    if isinstance(structure, dict):
        return sum(count(child) for child in structure.values())
    if isinstance(structure, list):
        return sum(count(child) for child in structure)
    return int(structure == LEAF)


def names(structure: Any) -> list[str]:
    """A name for each leaf: the keys and indices on the way to it, joined by dots."""
    found: list[str] = []

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if node == LEAF:
            found.append(".".join(path))
        elif isinstance(node, dict):
            ((_, children),) = node.items()
            pairs = sorted(children.items()) if isinstance(children, dict) else enumerate(children)
            for key, child in pairs:
                walk(child, (*path, str(key)))

    walk(structure, ())
    return found
