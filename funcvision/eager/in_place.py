"""Methods in place as functions, as in torch: `eager.exp_(x)` is `x.exp_()`."""

from typing import Any

from ._forms import in_place
from .tensor import Tensor

__all__ = [
    "abs_", "absolute_", "acos_", "acosh_", "addmv_", "arccos_", "arccosh_", "arcsin_", "arcsinh_", "arctan_",
    "arctanh_", "asin_", "asinh_", "atan_", "atanh_", "ceil_", "clamp_", "clamp_max_", "clamp_min_", "clip_",
    "conj_physical_", "cos_", "cosh_", "deg2rad_", "detach_", "erf_", "erfc_", "exp2_", "exp_", "expm1_", "fill_",
    "fix_", "floor_", "frac_", "gcd_", "i0_", "index_put_", "lcm_", "ldexp_", "log10_", "log1p_", "log2_", "log_",
    "logit_", "nan_to_num_", "neg_", "negative_", "rad2deg_", "reciprocal_", "relu_", "resize_as_", "round_", "rsqrt_",
    "sigmoid_", "sin_", "sinc_", "sinh_", "sqrt_", "square_", "tan_", "tanh_", "trunc_", "xlogy_", "zero_",
]  # fmt: skip


def detach_(input: Tensor) -> Any:
    """Forgets the history of a Tensor, which becomes a leaf that requires no gradient."""
    return input.detach_()


def fill_(input: Tensor, value: Any) -> Any:
    """Fills a Tensor with a number, or a Tensor without axes."""
    return input.fill_(value)


def resize_as_(input: Tensor, the_template: Tensor) -> Any:
    """Changes the shape of a Tensor to that of another one."""
    return input.resize_as_(the_template)


def zero_(input: Tensor) -> Any:
    """Fills a Tensor with 0."""
    return input.zero_()


abs_, absolute_ = in_place(Tensor.abs, "abs"), in_place(Tensor.absolute, "absolute")
acos_, acosh_, addmv_ = in_place(Tensor.acos, "acos"), in_place(Tensor.acosh, "acosh"), in_place(Tensor.addmv, "addmv")
arccos_, arccosh_ = in_place(Tensor.arccos, "arccos"), in_place(Tensor.arccosh, "arccosh")
arcsin_, arcsinh_ = in_place(Tensor.arcsin, "arcsin"), in_place(Tensor.arcsinh, "arcsinh")
arctan_, arctanh_ = in_place(Tensor.arctan, "arctan"), in_place(Tensor.arctanh, "arctanh")
asin_, asinh_, atan_ = in_place(Tensor.asin, "asin"), in_place(Tensor.asinh, "asinh"), in_place(Tensor.atan, "atan")
atanh_, ceil_, clamp_ = in_place(Tensor.atanh, "atanh"), in_place(Tensor.ceil, "ceil"), in_place(Tensor.clamp, "clamp")
clamp_max_, clamp_min_ = in_place(Tensor.clamp_max, "clamp_max"), in_place(Tensor.clamp_min, "clamp_min")
clip_, conj_physical_ = in_place(Tensor.clip, "clip"), in_place(Tensor.conj_physical, "conj_physical")
cos_, cosh_, deg2rad_ = in_place(Tensor.cos, "cos"), in_place(Tensor.cosh, "cosh"), in_place(Tensor.deg2rad, "deg2rad")
erf_, erfc_, exp_ = in_place(Tensor.erf, "erf"), in_place(Tensor.erfc, "erfc"), in_place(Tensor.exp, "exp")
exp2_, expm1_, fix_ = in_place(Tensor.exp2, "exp2"), in_place(Tensor.expm1, "expm1"), in_place(Tensor.fix, "fix")
floor_, frac_, gcd_ = in_place(Tensor.floor, "floor"), in_place(Tensor.frac, "frac"), in_place(Tensor.gcd, "gcd")
i0_, index_put_, lcm_ = in_place(Tensor.i0, "i0"), in_place(Tensor.index_put, "index_put"), in_place(Tensor.lcm, "lcm")
ldexp_, log_, log10_ = in_place(Tensor.ldexp, "ldexp"), in_place(Tensor.log, "log"), in_place(Tensor.log10, "log10")
log1p_, log2_, logit_ = in_place(Tensor.log1p, "log1p"), in_place(Tensor.log2, "log2"), in_place(Tensor.logit, "logit")
nan_to_num_, neg_ = in_place(Tensor.nan_to_num, "nan_to_num"), in_place(Tensor.neg, "neg")
negative_, rad2deg_ = in_place(Tensor.negative, "negative"), in_place(Tensor.rad2deg, "rad2deg")
reciprocal_, relu_ = in_place(Tensor.reciprocal, "reciprocal"), in_place(Tensor.relu, "relu")
round_, rsqrt_ = in_place(Tensor.round, "round"), in_place(Tensor.rsqrt, "rsqrt")
sigmoid_, sin_, sinc_ = in_place(Tensor.sigmoid, "sigmoid"), in_place(Tensor.sin, "sin"), in_place(Tensor.sinc, "sinc")
sinh_, sqrt_, square_ = in_place(Tensor.sinh, "sinh"), in_place(Tensor.sqrt, "sqrt"), in_place(Tensor.square, "square")
tan_, tanh_, trunc_ = in_place(Tensor.tan, "tan"), in_place(Tensor.tanh, "tanh"), in_place(Tensor.trunc, "trunc")
xlogy_ = in_place(Tensor.xlogy, "xlogy")
