"""Statistics, cumulative functions, and functions that count, of the eager face against torch's."""

import numpy as np
import pytest

from .eager_rows import assert_row, floats, integers, positive
from .test_eager_functions_elementwise import by, method

X, Y = floats(3, 4, 5), floats(3, 4, 5, seed=1)
C = floats(3, 5, dtype="complex64")
N = integers(-4, 4, 3, 6)
TIES = np.array([[1.0, 3.0, 3.0, 0.0, 1.0, 3.0, 1.0], [2.0, 2.0, -1.0, 5.0, 5.0, 2.0, 5.0]], np.float32)
NAN = np.where(floats(3, 5, seed=5) > 0.8, np.nan, floats(3, 5, seed=6)).astype(np.float32)
NAN[1, 2] = np.nan
ZEROS = np.where(floats(3, 5) > 0.5, 0, floats(3, 5)).astype(np.float32)
SORTED = np.sort(floats(3, 8), -1)


def values(name, *args, **options):
    """The values alone: among equal elements, torch does not say which index it gives."""
    return lambda t, x: getattr(t, name)(x, *args, **options)[0]


ROWS = {
    "median": (by("median"), X), "median of ties": (by("median"), TIES), "median dim": (by("median", 1), X),
    "median keepdim": (by("median", -1, True), X), "median ties dim": (values("median", 1), TIES.round() * 0 + TIES),
    "median nan": (by("median"), NAN), "median nan dim": (by("median", 1), NAN), "median integers": (by("median"), N),
    "median of nothing": (by("median"), floats(0)), "median of a number": (by("median", 0), floats()),
    "nanmedian": (by("nanmedian"), NAN), "nanmedian dim": (by("nanmedian", 1), NAN),
    "kthvalue": (by("kthvalue", 2), X), "kthvalue dim": (by("kthvalue", 3, 0, True), X), "mode": (by("mode"), TIES),
    "mode dim": (values("mode", 0), N), "mode integers": (by("mode", -1, True), N), "msort": (by("msort"), X),
    "quantile": (by("quantile", 0.3), X), "quantile dim": (by("quantile", 0.6, 1), X),
    "quantiles": (by("quantile", dim=2, keepdim=True), X, np.array([0.0, 0.25, 1.0], np.float32)),
    "quantile keepdim": (by("quantile", 0.5, keepdim=True), X), "quantile nan": (by("quantile", 0.5, 1), NAN),
    **{
        f"quantile {kind}": (by("quantile", 0.4, dim=1, interpolation=kind), X)
        for kind in ("lower", "higher", "midpoint", "nearest")
    },
    "nanquantile": (by("nanquantile", 0.4), NAN), "nanquantile dim": (by("nanquantile", 0.4, 1, True), NAN),
    "aminmax": (by("aminmax"), TIES), "aminmax dim": (by("aminmax", dim=1, keepdim=True), TIES),
    "nansum": (by("nansum"), NAN), "nansum dim": (by("nansum", 1, True), NAN), "nansum integers": (by("nansum"), N),
    "nanmean": (by("nanmean"), NAN), "nanmean dims": (by("nanmean", (0, 1)), NAN), "var_mean": (by("var_mean"), X),
    "var_mean dim": (by("var_mean", (0, 2), keepdim=True), X), "std_mean": (by("std_mean", 1, correction=0), X),
    "std_mean biased": (by("std_mean", False), X), "count_nonzero": (by("count_nonzero"), ZEROS),
    "count_nonzero dim": (by("count_nonzero", 1), ZEROS), "dist": (by("dist"), X, Y), "dist 1": (by("dist", 1), X, Y),
    "dist inf": (by("dist", float("inf")), X, Y), "dist 0": (by("dist", 2), X, X),
    "renorm": (by("renorm", 2, 0, 1.5), X), "renorm 1": (by("renorm", 1, 1, 4.0), X),
    "complex std_mean": (by("std_mean"), C), "complex norm": (by("norm", dim=1), C), "complex var": (by("var", 0), C),
    "complex dist": (lambda t, x: t.dist(x, 2j * x, 3), C), "complex prod": (by("prod"), C),
    "complex cumprod": (by("cumprod", 1), C), "cov": (by("cov"), X[0]),
    "cov of a vector": (by("cov", correction=0), X[0, 0]), "cov complex": (by("cov"), C),
    "cov weights": (
        lambda t, x, f, a: t.cov(x, fweights=f, aweights=a.detach()), X[0], integers(1, 4, 5), positive(5)
    ),
    "corrcoef": (by("corrcoef"), X[0]), "corrcoef of a vector": (by("corrcoef"), X[0, 0]),
    # along an axis
    "cumprod": (by("cumprod", 1), X), "cumprod 0": (by("cumprod", 1), ZEROS),
    "cumprod integers": (by("cumprod", 1), N), "cumprod dtype": (method("cumprod", 0, dtype=None), X),
    "logcumsumexp": (by("logcumsumexp", 1), X), "cummax": (by("cummax", 1), TIES), "cummin": (by("cummin", 1), TIES),
    "cummax nan": (by("cummax", 1), NAN), "cummin nan": (by("cummin", 0), NAN),
    "cummax integers": (by("cummax", 0), N), "diff": (by("diff"), X), "diff 2": (by("diff", 2, 1), X),
    "diff bools": (by("diff"), N > 0), "diff more": (lambda t, x, y: t.diff(x, dim=1, prepend=y, append=y), X, Y),
    "diff all": (by("diff", 9), N), "trapezoid": (by("trapezoid"), X),
    "trapezoid dx": (by("trapezoid", dx=0.5, dim=1), X), "trapezoid x": (by("trapezoid"), X, np.sort(floats(5))),
    "cumulative_trapezoid": (by("cumulative_trapezoid"), X),
    "cumulative_trapezoid x": (by("cumulative_trapezoid", dim=1), X, np.sort(Y, 1)), "gradient": (by("gradient"), X),
    "gradient 2": (by("gradient", spacing=0.5, dim=1, edge_order=2), X),
    "gradient x": (lambda t, x, p: t.gradient(x, spacing=(p.detach(),), dim=2), X, np.sort(floats(5))),
    # counts
    "unique": (method("unique", return_inverse=True, return_counts=True), N), "unique floats": (by("unique"), TIES),
    "unique dim": (by("unique", return_inverse=True, return_counts=True, dim=1), N % 2),
    "unique nan": (by("unique"), NAN), "unique of nothing": (by("unique"), integers(0, 2, 0)),
    "unique_consecutive": (by("unique_consecutive", return_inverse=True, return_counts=True), N // 3),
    "unique_consecutive dim": (by("unique_consecutive", True, True, 0), np.repeat(N, 2, 0)),
    "bincount": (by("bincount"), integers(0, 5, 20)),
    "bincount more": (by("bincount", minlength=9), integers(0, 5, 20)),
    "bincount weights": (lambda t, x, w: t.bincount(x, w.detach()), integers(0, 5, 20), floats(20)),
    "bincount of nothing": (by("bincount"), integers(0, 5, 0)), "histc": (by("histc", 7), X),
    "histc range": (by("histc", 4, -1, 1), X), "histogram": (by("histogram", 5), X),
    "histogram range": (by("histogram", 4, range=(-1.0, 1.0), density=True), X),
    "histogram edges": (
        lambda t, x, e, w: t.histogram(x, e, weight=w), X, np.array([-1, 0, 0.5, 2], np.float32), positive(3, 4, 5)
    ),
    "histogramdd": (by("histogramdd", [3, 2]), floats(9, 2)),
    "searchsorted": (by("searchsorted"), SORTED, floats(3, 5, seed=2)),
    "searchsorted right": (by("searchsorted", right=True), N[0] * 0 + np.arange(6), N),
    "searchsorted number": (by("searchsorted", 0.5, side="right", out_int32=True), SORTED[0]),
    "searchsorted sorter": (
        lambda t, s, x: t.searchsorted(s, x, sorter=t.argsort(s, -1)), floats(3, 8), floats(3, 5, seed=2)
    ),
    "bucketize": (by("bucketize"), X, SORTED[0]),
    "bucketize right": (by("bucketize", right=True), N, N[0] * 0 + np.arange(6)),
    "combinations": (by("combinations"), X[0, 0]), "combinations again": (by("combinations", 3, True), X[0, 0]),
    "cartesian_prod": (by("cartesian_prod"), X[0, 0], X[0, 1, :3]),
    "cartesian_prod of one": (by("cartesian_prod"), X[0, 0]),
}  # fmt: skip
DETACHED = {name for name in ROWS if name.startswith(("histc", "histogram", "searchsorted", "bucketize", "unique"))}


@pytest.mark.parametrize("name", ROWS)
def test_reductions(name):
    assert_row(*ROWS[name], gradients=name not in DETACHED)
