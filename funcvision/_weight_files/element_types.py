"""The element types of weight files: numpy's dtype, torch's name, torch's storage class and safetensors' name."""

from typing import NamedTuple

import ml_dtypes
import numpy as np

__all__ = ["BY_DTYPE", "BY_SAFETENSORS", "BY_STORAGE", "BY_TORCH", "ElementType"]


class ElementType(NamedTuple):
    """One type under its four names.

    Attributes:
        dtype: numpy's dtype.
        torch: torch's name, `"float32"`.
        storage: torch's storage class, `"FloatStorage"`; None if there is none.
        safetensors: the name in safetensors files, `"F32"`; None if they lack the type.
    """

    dtype: np.dtype
    torch: str
    storage: str | None
    safetensors: str | None


_TYPES = [
    ElementType(np.dtype(dtype), torch, storage and f"{storage}Storage", safetensors)
    for dtype, torch, storage, safetensors in [
        (np.float64, "float64", "Double", "F64"),
        (np.float32, "float32", "Float", "F32"),
        (np.float16, "float16", "Half", "F16"),
        (ml_dtypes.bfloat16, "bfloat16", "BFloat16", "BF16"),
        (np.int64, "int64", "Long", "I64"),
        (np.int32, "int32", "Int", "I32"),
        (np.int16, "int16", "Short", "I16"),
        (np.int8, "int8", "Char", "I8"),
        (np.uint8, "uint8", "Byte", "U8"),
        (np.bool_, "bool", "Bool", "BOOL"),
        (np.complex128, "complex128", "ComplexDouble", None),
        (np.complex64, "complex64", "ComplexFloat", "C64"),
        (np.uint64, "uint64", None, "U64"),
        (np.uint32, "uint32", None, "U32"),
        (np.uint16, "uint16", None, "U16"),
        (ml_dtypes.float8_e4m3fn, "float8_e4m3fn", None, "F8_E4M3"),
        (ml_dtypes.float8_e4m3fnuz, "float8_e4m3fnuz", None, "F8_E4M3FNUZ"),
        (ml_dtypes.float8_e5m2, "float8_e5m2", None, "F8_E5M2"),
        (ml_dtypes.float8_e5m2fnuz, "float8_e5m2fnuz", None, "F8_E5M2FNUZ"),
        (ml_dtypes.float8_e8m0fnu, "float8_e8m0fnu", None, "F8_E8M0"),
    ]
]

BY_DTYPE = {one.dtype: one for one in _TYPES}
BY_TORCH = {one.torch: one for one in _TYPES}
BY_STORAGE = {one.storage: one for one in _TYPES if one.storage}
BY_SAFETENSORS = {one.safetensors: one for one in _TYPES if one.safetensors}
