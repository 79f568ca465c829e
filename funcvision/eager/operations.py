"""Functions of the groups of methods as functions, as in torch: `eager.acos(x)` is `x.acos()`."""

from typing import Any

from ._comparison import isin
from ._complex import complex, polar, view_as_complex, view_as_real
from ._copies import (
    alias_copy,
    detach_copy,
    diagonal_copy,
    expand_copy,
    narrow_copy,
    permute_copy,
    select_copy,
    slice_copy,
    split_copy,
    split_with_sizes_copy,
    squeeze_copy,
    t_copy,
    transpose_copy,
    unbind_copy,
    unfold_copy,
    unsqueeze_copy,
    view_as_complex_copy,
    view_as_real_copy,
    view_copy,
)
from ._counting import bucketize, cartesian_prod, combinations, histogramdd, searchsorted, unravel_index
from ._cumulative import cumulative_trapezoid, gradient, trapezoid, trapz
from ._lowrank import pca_lowrank, svd_lowrank
from ._matrices import lu_unpack
from ._out import as_function
from ._products import cdist, chain_matmul, einsum, tensordot
from ._rearranging import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    block_diag,
    broadcast_tensors,
    column_stack,
    dstack,
    hstack,
    meshgrid,
    row_stack,
    vstack,
)
from .tensor import Tensor

__all__ = [
    "acos", "acosh", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "adjoint", "alias_copy", "aminmax",
    "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argwhere", "asin", "asinh",
    "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "baddbmm", "bincount", "block_diag",
    "broadcast_tensors", "broadcast_to", "bucketize", "cartesian_prod", "cdist", "chain_matmul", "cholesky",
    "cholesky_inverse", "cholesky_solve", "column_stack", "combinations", "complex", "conj", "conj_physical",
    "copysign", "corrcoef", "cosh", "count_nonzero", "cov", "cross", "cummax", "cummin", "cumprod",
    "cumulative_trapezoid", "deg2rad", "det", "detach_copy", "diag", "diag_embed", "diagflat", "diagonal",
    "diagonal_copy", "diagonal_scatter", "diff", "digamma", "dist", "dot", "dsplit", "dstack", "einsum", "erfc",
    "erfinv", "exp2", "expand_copy", "fliplr", "flipud", "float_power", "fmax", "fmin", "fmod", "frac", "frexp", "gcd",
    "geqrf", "ger", "gradient", "heaviside", "histc", "histogram", "histogramdd", "hsplit", "hstack", "hypot", "i0",
    "igamma", "igammac", "imag", "index_add", "index_copy", "index_fill", "index_put", "index_reduce", "inner",
    "inverse", "is_conj", "is_neg", "isclose", "isin", "isneginf", "isposinf", "isreal", "istft", "kron", "kthvalue",
    "lcm", "ldexp", "lerp", "lgamma", "log10", "logaddexp", "logaddexp2", "logcumsumexp", "logdet", "logical_xor",
    "logit", "lu", "lu_solve", "lu_unpack", "masked_scatter", "matrix_exp", "matrix_power", "median", "meshgrid",
    "mode", "msort", "mv", "mvlgamma", "nan_to_num", "nanmean", "nanmedian", "nanquantile", "nansum", "narrow",
    "narrow_copy", "nextafter", "nonzero_static", "orgqr", "ormqr", "outer", "pca_lowrank", "permute_copy", "pinverse",
    "polar", "polygamma", "positive", "put", "qr", "quantile", "rad2deg", "ravel", "real", "renorm",
    "repeat_interleave", "resolve_conj", "resolve_neg", "rot90", "row_stack", "scatter_add", "scatter_reduce",
    "searchsorted", "select", "select_copy", "select_scatter", "sgn", "signbit", "sinc", "sinh", "slice_copy",
    "slice_scatter", "slogdet", "split_copy", "split_with_sizes", "split_with_sizes_copy", "squeeze_copy", "std_mean",
    "stft", "svd", "svd_lowrank", "t_copy", "take", "take_along_dim", "tensor_split", "tensordot", "tile", "trace",
    "transpose_copy", "trapezoid", "trapz", "triangular_solve", "unbind_copy", "unfold_copy", "unique",
    "unique_consecutive", "unravel_index", "unsqueeze_copy", "var_mean", "vdot", "view_as_complex",
    "view_as_complex_copy", "view_as_real", "view_as_real_copy", "view_copy", "vsplit", "vstack", "xlogy",
]  # fmt: skip

# Math

acos, acosh, asin, asinh, atan = map(as_function, (Tensor.acos, Tensor.acosh, Tensor.asin, Tensor.asinh, Tensor.atan))
atanh, arccos, arccosh, arcsin = map(as_function, (Tensor.atanh, Tensor.arccos, Tensor.arccosh, Tensor.arcsin))
arcsinh, arctan, arctanh, cosh = map(as_function, (Tensor.arcsinh, Tensor.arctan, Tensor.arctanh, Tensor.cosh))
sinh, exp2, log10, deg2rad = map(as_function, (Tensor.sinh, Tensor.exp2, Tensor.log10, Tensor.deg2rad))
rad2deg, positive, frac, sgn = map(as_function, (Tensor.rad2deg, Tensor.positive, Tensor.frac, Tensor.sgn))
signbit, nan_to_num, frexp, ldexp = map(as_function, (Tensor.signbit, Tensor.nan_to_num, Tensor.frexp, Tensor.ldexp))
hypot, copysign, float_power = map(as_function, (Tensor.hypot, Tensor.copysign, Tensor.float_power))
atan2, arctan2, fmod, gcd, lcm = map(as_function, (Tensor.atan2, Tensor.arctan2, Tensor.fmod, Tensor.gcd, Tensor.lcm))
logaddexp, logaddexp2, nextafter = map(as_function, (Tensor.logaddexp, Tensor.logaddexp2, Tensor.nextafter))
xlogy, fmax, fmin, heaviside = map(as_function, (Tensor.xlogy, Tensor.fmax, Tensor.fmin, Tensor.heaviside))
lerp, addcmul, addcdiv = map(as_function, (Tensor.lerp, Tensor.addcmul, Tensor.addcdiv))

# Comparison

isclose, isposinf, isneginf = map(as_function, (Tensor.isclose, Tensor.isposinf, Tensor.isneginf))
isreal, logical_xor = map(as_function, (Tensor.isreal, Tensor.logical_xor))

# Complex

conj, conj_physical, angle = map(as_function, (Tensor.conj, Tensor.conj_physical, Tensor.angle))
adjoint, resolve_conj, resolve_neg = map(as_function, (Tensor.adjoint, Tensor.resolve_conj, Tensor.resolve_neg))
is_conj, is_neg = map(as_function, (Tensor.is_conj, Tensor.is_neg))

# Special

erfc, erfinv, lgamma, digamma = map(as_function, (Tensor.erfc, Tensor.erfinv, Tensor.lgamma, Tensor.digamma))
i0, sinc, logit, polygamma = map(as_function, (Tensor.i0, Tensor.sinc, Tensor.logit, Tensor.polygamma))
mvlgamma, igamma, igammac = map(as_function, (Tensor.mvlgamma, Tensor.igamma, Tensor.igammac))

# Spectral

stft, istft = map(as_function, (Tensor.stft, Tensor.istft))

# Statistics

median, nanmedian, kthvalue, mode = map(as_function, (Tensor.median, Tensor.nanmedian, Tensor.kthvalue, Tensor.mode))
msort, quantile, nanquantile = map(as_function, (Tensor.msort, Tensor.quantile, Tensor.nanquantile))
aminmax, nansum, nanmean, var_mean = map(as_function, (Tensor.aminmax, Tensor.nansum, Tensor.nanmean, Tensor.var_mean))
std_mean, count_nonzero, dist = map(as_function, (Tensor.std_mean, Tensor.count_nonzero, Tensor.dist))
renorm, cov, corrcoef = map(as_function, (Tensor.renorm, Tensor.cov, Tensor.corrcoef))

# Cumulative

cumprod, logcumsumexp, cummax = map(as_function, (Tensor.cumprod, Tensor.logcumsumexp, Tensor.cummax))
cummin, diff = map(as_function, (Tensor.cummin, Tensor.diff))

# Counting

unique, unique_consecutive, bincount = map(as_function, (Tensor.unique, Tensor.unique_consecutive, Tensor.bincount))
histc, histogram = map(as_function, (Tensor.histc, Tensor.histogram))

# Scattering

scatter_add, scatter_reduce, index_add = map(as_function, (Tensor.scatter_add, Tensor.scatter_reduce, Tensor.index_add))
index_copy, index_fill, index_reduce = map(as_function, (Tensor.index_copy, Tensor.index_fill, Tensor.index_reduce))
masked_scatter, select_scatter = map(as_function, (Tensor.masked_scatter, Tensor.select_scatter))
slice_scatter, diagonal_scatter = map(as_function, (Tensor.slice_scatter, Tensor.diagonal_scatter))
take_along_dim, take, put = map(as_function, (Tensor.take_along_dim, Tensor.take, Tensor.put))
index_put, argwhere, nonzero_static = map(as_function, (Tensor.index_put, Tensor.argwhere, Tensor.nonzero_static))
repeat_interleave = as_function(Tensor.repeat_interleave)

# Rearranging

diagonal, narrow, select, ravel = map(as_function, (Tensor.diagonal, Tensor.narrow, Tensor.select, Tensor.ravel))
broadcast_to, hsplit, vsplit = map(as_function, (Tensor.broadcast_to, Tensor.hsplit, Tensor.vsplit))
dsplit, split_with_sizes, tile = map(as_function, (Tensor.dsplit, Tensor.split_with_sizes, Tensor.tile))
rot90, fliplr, flipud, diag = map(as_function, (Tensor.rot90, Tensor.fliplr, Tensor.flipud, Tensor.diag))
diag_embed, diagflat, trace = map(as_function, (Tensor.diag_embed, Tensor.diagflat, Tensor.trace))
tensor_split = as_function(Tensor.tensor_split)

# Product

dot, vdot, inner, outer, mv = map(as_function, (Tensor.dot, Tensor.vdot, Tensor.inner, Tensor.outer, Tensor.mv))
kron, ger, addmm, addmv, addr = map(as_function, (Tensor.kron, Tensor.ger, Tensor.addmm, Tensor.addmv, Tensor.addr))
addbmm, baddbmm, cross = map(as_function, (Tensor.addbmm, Tensor.baddbmm, Tensor.cross))

# Matrix

cholesky, cholesky_solve = map(as_function, (Tensor.cholesky, Tensor.cholesky_solve))
cholesky_inverse, logdet, qr, svd = map(as_function, (Tensor.cholesky_inverse, Tensor.logdet, Tensor.qr, Tensor.svd))
pinverse, geqrf, orgqr, ormqr = map(as_function, (Tensor.pinverse, Tensor.geqrf, Tensor.orgqr, Tensor.ormqr))
triangular_solve, lu, lu_solve = map(as_function, (Tensor.triangular_solve, Tensor.lu, Tensor.lu_solve))
det, slogdet, inverse, matrix_exp = map(as_function, (Tensor.det, Tensor.slogdet, Tensor.inverse, Tensor.matrix_exp))
matrix_power = as_function(Tensor.matrix_power)


def real(input: Any) -> Any:
    """The real part of each element. Real numbers are returned unchanged."""
    return input.real


def imag(input: Any) -> Any:
    """The imaginary part of each element."""
    return input.imag
