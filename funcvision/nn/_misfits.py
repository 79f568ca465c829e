"""The check of arrays against the declarations of a model."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..functional._check import listed
from ._declarations import Buffer, Declaration

__all__ = ["described", "misfits"]


def misfits(
    declared: Mapping[str, Declaration], arrays: Mapping[str, Any], *,
    kind: type[Declaration] = Declaration, torch_order: bool = False,
) -> dict[str, list[str]]:
    """Every array that does not fit the declarations, under the name of its fault; no list is empty.

    Args:
        declared: all declarations of the model.
        arrays: arrays by name.
        kind: what the arrays should be: `Param`, `Buffer`, or by default both together.
        torch_order: the arrays have torch's axis orders, not the stored ones.

    Returns:
        Some of the keys "missing", "unexpected", "misplaced" (the model declares it, but not as `kind`) and "of another
        shape".

    >>> from funcvision import nn
    >>> misfits({"weight": nn.Param((2, 3))}, {"weight": np.ones((3, 2)), "bias": np.ones(2)})
    {'unexpected': ['bias'], 'of another shape': ['weight is (3, 2), not (2, 3)']}
    """
    faults = {"missing": [], "unexpected": [], "misplaced": [], "of another shape": []}
    for name, declaration in declared.items():
        if not isinstance(declaration, kind):
            continue
        expected = declaration.shape if torch_order else declaration.stored_shape
        if name not in arrays:
            faults["missing"].append(name)
        elif (shape := tuple(np.shape(arrays[name]))) != expected:
            faults["of another shape"].append(f"{name} is {shape}, not {expected}")
    for name in arrays:
        if name not in declared:
            faults["unexpected"].append(name)
        elif not isinstance(declared[name], kind):
            faults["misplaced"].append(f"{name} is a {'parameter' if kind is Buffer else 'buffer'}")
    return {fault: names for fault, names in faults.items() if names}


def described(faults: Mapping[str, list[str]]) -> str:
    """Faults as text: how many of each, and the first few.

    >>> described({"missing": ["weight", "bias"], "unexpected": ["head"]})
    '2 missing: weight, bias; 1 unexpected: head'
    """
    return "; ".join(f"{len(names)} {fault}: {listed(names)}" for fault, names in faults.items())
