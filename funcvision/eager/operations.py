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
from ._special import polygamma_of as polygamma
from .tensor import Tensor

__all__ = [
    "acos", "acosh", "addbmm", "addcdiv", "addcmul", "addmm", "addmv", "addr", "adjoint", "alias_copy", "aminmax",
    "angle", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "argwhere", "asin", "asinh",
    "atan", "atan2", "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "baddbmm", "bincount", "block_diag", "bmm",
    "broadcast_tensors", "broadcast_to", "bucketize", "cartesian_prod", "cdist", "chain_matmul", "cholesky",
    "cholesky_inverse", "cholesky_solve", "column_stack", "combinations", "complex", "conj", "conj_physical",
    "copysign", "corrcoef", "cosh", "count_nonzero", "cov", "cross", "cummax", "cummin", "cumprod",
    "cumulative_trapezoid", "deg2rad", "det", "detach_copy", "diag", "diag_embed", "diagflat", "diagonal",
    "diagonal_copy", "diagonal_scatter", "diff", "digamma", "dist", "dot", "dsplit", "dstack", "einsum", "erfc",
    "erfinv", "exp2", "expand_copy", "fliplr", "flipud", "float_power", "fmax", "fmin", "fmod", "frac", "frexp",
    "gather", "gcd", "geqrf", "ger", "gradient", "heaviside", "histc", "histogram", "histogramdd", "hsplit", "hstack",
    "hypot", "i0", "igamma", "igammac", "imag", "index_add", "index_copy", "index_fill", "index_put", "index_reduce",
    "index_select", "inner", "inverse", "is_complex", "is_conj", "is_neg", "isclose", "isin", "isneginf", "isposinf",
    "isreal", "istft", "kron", "kthvalue", "lcm", "ldexp", "lerp", "lgamma", "log10", "logaddexp", "logaddexp2",
    "logcumsumexp", "logdet", "logical_xor", "logit", "lu", "lu_solve", "lu_unpack", "masked_scatter", "matrix_exp",
    "matrix_power", "median", "meshgrid", "mm", "mode", "moveaxis", "msort", "mv", "mvlgamma", "nan_to_num", "nanmean",
    "nanmedian", "nanquantile", "nansum", "narrow", "narrow_copy", "nextafter", "nonzero", "nonzero_static", "orgqr",
    "ormqr", "outer", "pca_lowrank", "permute_copy", "pinverse", "polar", "polygamma", "positive", "put", "qr",
    "quantile", "rad2deg", "ravel", "real", "renorm", "repeat_interleave", "resolve_conj", "resolve_neg", "rot90",
    "row_stack", "scatter", "scatter_add", "scatter_reduce", "searchsorted", "select", "select_copy", "select_scatter",
    "sgn", "signbit", "sinc", "sinh", "slice_copy", "slice_scatter", "slogdet", "split_copy", "split_with_sizes",
    "split_with_sizes_copy", "squeeze_copy", "std_mean", "stft", "svd", "svd_lowrank", "swapaxes", "swapdims", "t_copy",
    "take", "take_along_dim", "tensor_split", "tensordot", "tile", "trace", "transpose_copy", "trapezoid", "trapz",
    "triangular_solve", "unbind_copy", "unfold_copy", "unique", "unique_consecutive", "unravel_index", "unsqueeze_copy",
    "var_mean", "vdot", "view_as_complex", "view_as_complex_copy", "view_as_real", "view_as_real_copy", "view_copy",
    "vsplit", "vstack", "xlogy",
]  # fmt: skip

# Math

acos, acosh, asin, asinh, atan, atanh = Tensor.acos, Tensor.acosh, Tensor.asin, Tensor.asinh, Tensor.atan, Tensor.atanh
arccos, arccosh, arcsin, arcsinh, arctan = Tensor.arccos, Tensor.arccosh, Tensor.arcsin, Tensor.arcsinh, Tensor.arctan
arctanh, cosh, sinh, exp2, log10 = Tensor.arctanh, Tensor.cosh, Tensor.sinh, Tensor.exp2, Tensor.log10
deg2rad, rad2deg, positive, frac, sgn = Tensor.deg2rad, Tensor.rad2deg, Tensor.positive, Tensor.frac, Tensor.sgn
signbit, nan_to_num, frexp, ldexp, hypot = Tensor.signbit, Tensor.nan_to_num, Tensor.frexp, Tensor.ldexp, Tensor.hypot
copysign, float_power, atan2, arctan2 = Tensor.copysign, Tensor.float_power, Tensor.atan2, Tensor.arctan2
fmod, gcd, lcm, logaddexp, logaddexp2 = Tensor.fmod, Tensor.gcd, Tensor.lcm, Tensor.logaddexp, Tensor.logaddexp2
nextafter, xlogy, fmax, fmin, heaviside = Tensor.nextafter, Tensor.xlogy, Tensor.fmax, Tensor.fmin, Tensor.heaviside
lerp, addcmul, addcdiv = Tensor.lerp, Tensor.addcmul, Tensor.addcdiv

# Comparison

isclose, isposinf, isneginf, isreal = Tensor.isclose, Tensor.isposinf, Tensor.isneginf, Tensor.isreal
logical_xor = Tensor.logical_xor

# Complex

conj, conj_physical, angle, adjoint = Tensor.conj, Tensor.conj_physical, Tensor.angle, Tensor.adjoint
is_complex, resolve_conj, resolve_neg = Tensor.is_complex, Tensor.resolve_conj, Tensor.resolve_neg
is_conj, is_neg = Tensor.is_conj, Tensor.is_neg

# Special

erfc, erfinv, lgamma, digamma, i0 = Tensor.erfc, Tensor.erfinv, Tensor.lgamma, Tensor.digamma, Tensor.i0
sinc, logit, mvlgamma, igamma, igammac = Tensor.sinc, Tensor.logit, Tensor.mvlgamma, Tensor.igamma, Tensor.igammac

# Spectral

stft, istft = Tensor.stft, Tensor.istft

# Statistics

median, nanmedian, kthvalue, mode, msort = Tensor.median, Tensor.nanmedian, Tensor.kthvalue, Tensor.mode, Tensor.msort
quantile, nanquantile, aminmax, nansum = Tensor.quantile, Tensor.nanquantile, Tensor.aminmax, Tensor.nansum
nanmean, var_mean, std_mean, count_nonzero = Tensor.nanmean, Tensor.var_mean, Tensor.std_mean, Tensor.count_nonzero
dist, renorm, cov, corrcoef = Tensor.dist, Tensor.renorm, Tensor.cov, Tensor.corrcoef

# Cumulative

cumprod, logcumsumexp, cummax, cummin = Tensor.cumprod, Tensor.logcumsumexp, Tensor.cummax, Tensor.cummin
diff = Tensor.diff

# Counting

unique, unique_consecutive, bincount, histc = Tensor.unique, Tensor.unique_consecutive, Tensor.bincount, Tensor.histc
histogram = Tensor.histogram

# Scattering

gather, scatter, scatter_add, scatter_reduce = Tensor.gather, Tensor.scatter, Tensor.scatter_add, Tensor.scatter_reduce
index_select, index_add, index_copy = Tensor.index_select, Tensor.index_add, Tensor.index_copy
index_fill, index_reduce, masked_scatter = Tensor.index_fill, Tensor.index_reduce, Tensor.masked_scatter
select_scatter, slice_scatter, diagonal_scatter = Tensor.select_scatter, Tensor.slice_scatter, Tensor.diagonal_scatter
take_along_dim, take, put, index_put = Tensor.take_along_dim, Tensor.take, Tensor.put, Tensor.index_put
argwhere, nonzero, nonzero_static = Tensor.argwhere, Tensor.nonzero, Tensor.nonzero_static
repeat_interleave = Tensor.repeat_interleave

# Rearranging

moveaxis, swapaxes, swapdims = Tensor.moveaxis, Tensor.swapaxes, Tensor.swapdims
diagonal, hsplit, vsplit, dsplit = Tensor.diagonal, Tensor.hsplit, Tensor.vsplit, Tensor.dsplit
split_with_sizes, tile, rot90, fliplr = Tensor.split_with_sizes, Tensor.tile, Tensor.rot90, Tensor.fliplr
flipud, diag, diag_embed, diagflat, trace = Tensor.flipud, Tensor.diag, Tensor.diag_embed, Tensor.diagflat, Tensor.trace
narrow, select, ravel, broadcast_to = Tensor.narrow, Tensor.select, Tensor.ravel, Tensor.broadcast_to
tensor_split = Tensor.tensor_split

# Product

dot, vdot, mv, mm, bmm, inner = Tensor.dot, Tensor.vdot, Tensor.mv, Tensor.mm, Tensor.bmm, Tensor.inner
outer, kron, ger, addmm, addmv, addr = Tensor.outer, Tensor.kron, Tensor.ger, Tensor.addmm, Tensor.addmv, Tensor.addr
addbmm, baddbmm, cross = Tensor.addbmm, Tensor.baddbmm, Tensor.cross

# Matrix

cholesky, cholesky_solve, cholesky_inverse = Tensor.cholesky, Tensor.cholesky_solve, Tensor.cholesky_inverse
logdet, qr, svd, pinverse, geqrf = Tensor.logdet, Tensor.qr, Tensor.svd, Tensor.pinverse, Tensor.geqrf
orgqr, ormqr, triangular_solve, lu = Tensor.orgqr, Tensor.ormqr, Tensor.triangular_solve, Tensor.lu
lu_solve, det, slogdet, inverse = Tensor.lu_solve, Tensor.det, Tensor.slogdet, Tensor.inverse
matrix_exp, matrix_power = Tensor.matrix_exp, Tensor.matrix_power


def real(input: Any) -> Any:
    """The real part of each element. Real numbers are returned unchanged."""
    return input.real


def imag(input: Any) -> Any:
    """The imaginary part of each element."""
    return input.imag
