"""Functions of the eager face on numbers without axes, without elements, of integers and of half precision: as torch's.

Where torch raises an error, the eager face raises one of the same class, or it has a result where torch lacks the
dtype.
"""

import jax
import numpy as np
import pytest
import torch

from funcvision import eager

CASES = {
    "a number": np.float32(0.3), "no elements": np.zeros((0, 3), np.float32),
    "integers": np.array([[1, 2, 3], [4, 0, -6]]),
    "half precision": np.array([[0.1, 0.2, 0.3], [0.4, -0.5, 0.6]], np.float16),
}  # fmt: skip
OF_ONE = """acos acosh asin asinh atan atanh cosh sinh exp2 log10 deg2rad rad2deg positive sgn signbit nan_to_num frexp
    isposinf isneginf isreal conj angle real imag erfc erfinv lgamma digamma i0 sinc logit median nanmedian mode msort
    aminmax nansum nanmean var_mean count_nonzero cov corrcoef diff trapezoid unique unique_consecutive bincount histc
    argwhere nonzero ravel fliplr flipud diag diagflat trace atleast_2d diag_embed rot90 det logdet inverse qr pinverse
    lu matrix_exp diagonal block_diag cartesian_prod combinations adjoint"""
OF_MORE = {  # "x" stands for the array
    "kthvalue": (1,), "quantile": (0.5,), "cumprod": (0,), "cummax": (0,), "logcumsumexp": (0,), "narrow": (0, 0, 1),
    "select": (0, 0), "swapaxes": (0, -1), "moveaxis": (0, -1), "tensor_split": (2,), "tile": ((2,),), "hsplit": (1,),
    "broadcast_to": ((2, 3),), "float_power": (2,), "fmod": (2,), "copysign": (-1.0,), "xlogy": (2.0,),
    "renorm": (2, 0, 1.0), "repeat_interleave": (2,), "mvlgamma": (2,), "matrix_power": (2,), "hypot": ("x",),
    "gcd": ("x",), "logaddexp": ("x",), "fmax": ("x",), "heaviside": ("x",), "lerp": ("x", 0.5),
    "addcmul": ("x", "x"), "addcdiv": ("x", "x"), "isclose": ("x",), "isin": ("x",), "atan2": ("x",), "dist": ("x",),
    "inner": ("x",), "outer": ("x",), "dot": ("x",), "vdot": ("x",), "kron": ("x",), "cdist": ("x",), "cross": ("x",),
    "searchsorted": ("x",), "bucketize": ("x",), "mm": ("x",), "tensordot": ("x", 0),
}  # fmt: skip
OF_MODULES = {
    "linalg": "vector_norm matrix_norm norm slogdet svdvals cholesky matrix_rank cond diagonal lu_factor",
    "fft": "rfft irfft hfft fftn rfftn",
    "special": "erfcx i0e i1 ndtr entr expit spherical_bessel_j0 bessel_j0",
}
CALLS = {
    **{name: lambda t, x, name=name: getattr(t, name)(x) for name in OF_ONE.split()},
    **{
        name: lambda t, x, name=name, args=args: getattr(t, name)(x, *(x if arg == "x" else arg for arg in args))
        for name, args in OF_MORE.items()
    },
    **{
        f"{module}.{name}": lambda t, x, module=module, name=name: getattr(getattr(t, module), name)(x)
        for module, names in OF_MODULES.items() for name in names.split()
    },
}  # fmt: skip


def attempt(call, t, x):
    """(leaves of the result, None), or (None, the error)."""
    try:
        result = call(t, x)
    except Exception as error:
        return None, error
    return list(result) if isinstance(result, tuple) else [result], None


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_shapes_and_dtypes(name):
    for case, array in CASES.items():
        wanted, torchs = attempt(CALLS[name], torch, torch.tensor(array))
        found, ours = attempt(CALLS[name], eager, eager.tensor(array))
        if isinstance(torchs, NotImplementedError) or "MKL" in str(torchs):  # torch lacks the dtype; we need not
            continue
        if torchs is not None:
            kind = RuntimeError if isinstance(torchs, RuntimeError) else type(torchs)
            assert isinstance(ours, kind), f"{case}: torch raises {torchs!r}; here {ours or found}"
            continue
        assert ours is None, f"{case}: {ours!r}"
        tolerance = 2e-3 if array.dtype == np.float16 else 1e-5
        for result, expected in zip(found, wanted, strict=True):
            expected = expected.numpy(force=True)
            assert result.array.dtype == jax.dtypes.canonicalize_dtype(expected.dtype), case
            np.testing.assert_allclose(np.asarray(result), expected, tolerance, tolerance, err_msg=case)
