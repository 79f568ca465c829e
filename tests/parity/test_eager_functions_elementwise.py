"""Elementwise functions, special functions and complex numbers of the eager face against torch's."""

import numpy as np
import pytest

from .eager_rows import assert_row, floats, integers, positive, units

X, Y, Z = floats(3, 4), floats(4, seed=1), floats(3, 1, seed=2)
P, U = positive(3, 4), units(3, 4)
C, D = floats(3, 4, dtype="complex64"), floats(4, dtype="complex64", seed=1)
N, M = integers(-9, 9, 3, 4), integers(1, 9, 4, seed=1)
EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.5, 2.5, -3.0], np.float32)
OTHERS = np.array([0.0, 1.0, 1.0, -2.0, 1.0, np.inf, 2.0, np.nan, 2.5, 3.0], np.float32)
POINTS = np.array([0.0, 1e-12, 1e-6, 0.1, 1.0, 3.3, 9.9, 24.0, 26.0, 71.0, np.inf, np.nan], np.float32)


def by(name, *args, **options):
    """The function of this name, given more arguments."""
    return lambda t, *tensors: getattr(t, name)(*tensors, *args, **options)


def special(name, *args):
    return lambda t, *tensors: getattr(t.special, name)(*tensors, *args)


def method(name, *args, **options):
    return lambda t, x, *tensors: getattr(x, name)(*tensors, *args, **options)


ROWS = {
    "acos": (by("acos"), U), "acosh": (by("acosh"), P + 1), "asin": (by("asin"), U), "asinh": (by("asinh"), X),
    "atan": (by("atan"), X), "atanh": (by("atanh"), U), "cosh": (by("cosh"), X), "sinh": (by("sinh"), X),
    "exp2": (by("exp2"), X), "log10": (by("log10"), P), "deg2rad": (by("deg2rad"), X), "rad2deg": (by("rad2deg"), X),
    "of integers": (by("acos"), N), "of 0 axes": (by("atan"), floats()), "of no elements": (by("atan"), floats(0, 2)),
    "complex acos": (by("acos"), C), "complex atanh": (by("atanh"), C), "complex cosh": (by("cosh"), C),
    "complex acosh": (by("acosh"), C), "positive": (by("positive"), X), "frac": (by("frac"), X * 3),
    "frac of integers": (method("frac"), X), "sgn": (by("sgn"), EDGES), "complex sgn": (by("sgn"), C),
    "signbit": (by("signbit"), EDGES), "signbit of integers": (by("signbit"), N),
    "nan_to_num": (by("nan_to_num"), EDGES), "nan_to_num given": (by("nan_to_num", 1.0, 2.0, -3.0), EDGES),
    "frexp": (by("frexp"), X * 100), "ldexp": (by("ldexp"), X, M), "float_power": (by("float_power", 2), P),
    "hypot": (by("hypot"), X, Y), "atan2": (by("atan2"), X, Y), "arctan2": (by("arctan2"), N, M),
    "copysign": (by("copysign"), X, Y), "copysign 0": (by("copysign"), EDGES, OTHERS),
    "copysign number": (by("copysign", -1.0), X), "fmod": (by("fmod"), X * 5, Y),
    "fmod number": (by("fmod", 1.5), X * 5), "fmod of integers": (by("fmod"), N, M), "gcd": (by("gcd"), N, M),
    "lcm": (by("lcm"), N, M), "heaviside": (lambda t, x, y: t.heaviside(x.detach(), y.detach()), EDGES, OTHERS),
    "logaddexp": (by("logaddexp"), X, Y), "logaddexp2": (by("logaddexp2"), X, Y), "nextafter": (by("nextafter"), X, Y),
    "xlogy": (by("xlogy"), X, P), "xlogy edges": (by("xlogy"), EDGES, OTHERS), "xlogy number": (by("xlogy", 2.0), X),
    "number xlogy": (lambda t, x: t.xlogy(2, x), P), "fmax": (by("fmax"), EDGES, OTHERS),
    "fmin": (by("fmin"), EDGES, OTHERS), "fmax wide": (by("fmax"), X, Y), "lerp": (by("lerp"), X, Y, U),
    "lerp number": (by("lerp", 0.3), X, Y), "addcmul": (by("addcmul", value=0.5), X, Y, Z),
    "addcdiv": (by("addcdiv", value=2), X, P, Z), "addcmul of integers": (by("addcmul", value=2), N, M, M),
    "isclose": (by("isclose", 0.5, 0.1), X, Y), "isclose nan": (by("isclose", equal_nan=True), EDGES, EDGES),
    "isin": (by("isin"), N, M), "not isin": (by("isin", invert=True), N, M), "isin number": (by("isin", 3), N),
    "isposinf": (by("isposinf"), EDGES), "isneginf": (by("isneginf"), EDGES), "isreal": (by("isreal"), C),
    "logical_xor": (by("logical_xor"), X > 0, N), "logical_xor floats": (method("logical_xor"), EDGES, OTHERS),
    # complex numbers
    "conj": (by("conj"), C), "conj real": (method("conj"), X), "angle": (by("angle"), C),
    "real angle": (by("angle"), EDGES), "real": (by("real"), C), "imag": (by("imag"), C),
    "real attribute": (lambda t, x: x.real * x.imag, C), "view_as_real": (by("view_as_real"), C),
    "view_as_complex": (by("view_as_complex"), floats(3, 2)), "complex": (by("complex"), X, U),
    "polar": (by("polar"), P, X), "adjoint": (by("adjoint"), C), "mH": (lambda t, x: x.mH, C),
    "H": (lambda t, x: x.H, C), "complex mul": (lambda t, x, y: x * y, C, D), "complex abs": (lambda t, x: x.abs(), C),
    "complex exp": (by("exp"), C), "complex with real": (lambda t, x, y: x * y + y, C, Y),
    # special functions
    "erfc": (by("erfc"), X), "erfinv": (by("erfinv"), U), "lgamma": (by("lgamma"), P), "digamma": (by("digamma"), P),
    "lgamma negative": (by("lgamma"), X), "i0": (by("i0"), X), "sinc": (by("sinc"), X),
    "sinc 0": (by("sinc"), EDGES[:4]), "logit": (by("logit"), (U + 1) / 2),
    "logit eps": (by("logit", 0.2), (U + 1) / 2), "polygamma": (lambda t, x: t.polygamma(n=2, input=x), P),
    "polygamma method": (method("polygamma", 1), P), "mvlgamma": (by("mvlgamma", 3), P + 2),
    "igamma": (lambda t, a, x: t.igamma(a.detach(), x), P, positive(4, seed=3)),
    "igammac": (lambda t, a, x: t.igammac(a.detach(), x), P, positive(4, seed=3)), "erfcx": (special("erfcx"), X),
    "i0e": (special("i0e"), X), "i1": (special("i1"), X), "i1e": (special("i1e"), X),
    "i1 0": (special("i1"), EDGES[:1]), "ndtr": (special("ndtr"), X), "ndtri": (special("ndtri"), (U + 1) / 2),
    "log_ndtr": (special("log_ndtr"), X), "entr": (special("entr"), X), "entr edges": (special("entr"), EDGES[:4]),
    "xlog1py": (special("xlog1py"), X, P),
    "zeta": (lambda t, x, q: t.special.zeta(x.detach(), q), P + 1.5, positive(4, seed=1)),
    "spherical_bessel_j0": (special("spherical_bessel_j0"), X), "expit": (special("expit"), X),
    "psi": (special("psi"), P), "gammaln": (special("gammaln"), P),
    "multigammaln": (special("multigammaln", 2), P + 2),
    "modified_bessel_i0": (lambda t, x: t.special.modified_bessel_i0(x.detach()), X),
    "modified_bessel_i1": (lambda t, x: t.special.modified_bessel_i1(x.detach()), X),
    **{
        name: (lambda t, x, name=name: getattr(t.special, name)(x.detach()), POINTS)
        for name in (
            "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1",
            "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
        )
    },
    **{
        name: (lambda t, x, n, name=name: getattr(t.special, name)(x.detach(), n), X, integers(-1, 6, 4))
        for name in (
            "chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
            "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_elementwise(name):
    assert_row(*ROWS[name])
