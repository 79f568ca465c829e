"""What `coverage` cannot find out by itself: how functions differ, why they are absent, which do not differentiate."""

__all__ = ["ABSENT", "DIFFERS", "NOT_DIFFERENTIATED"]

DIFFERS: dict[str, str] = {
    "float_power": "computes in float32 without jax_enable_x64, because float64 is turned off then",
    "ldexp": "has the gradient `2**other` where `other` is negative, too; torch has 0 there for integers",
    "cdist": "computes differences in any case; `compute_mode` is accepted",
    "complex": "takes float32 and float64; jax has no complex numbers of half precision",
    "polar": "takes float32 and float64; jax has no complex numbers of half precision",
    "lu": "pivots in any case; pivot=False raises",
    "lu_factor": "pivots in any case; pivot=False raises",
    "lu_factor_ex": "pivots in any case; pivot=False raises",
    "inv_ex": "has 1 as `info` for a singular matrix, not the number of the element that is 0",
    "cholesky_ex": "has 1 as `info` where a matrix is not positive definite, not the order of the leading minor",
    "lstsq": "solves by the pseudo-inverse for each `driver`",
    "median": "gives the index of the first of equal elements in order; torch's choice is not documented",
    "kthvalue": "gives the index of the first of equal elements in order; torch's choice is not documented",
    "bernoulli": "draws other numbers than torch from the same seed",
    "multinomial": "draws other numbers than torch from the same seed",
    "poisson": "draws other numbers than torch from the same seed",
    "svd_lowrank": "draws other numbers than torch from the same seed",
    "pca_lowrank": "draws other numbers than torch from the same seed",
    "numpy": "gives a read-only copy",
    "is_conj": "is False, because conjugates are computed at once",
    "is_neg": "is False, because negatives are computed at once",
    "resolve_conj": "gives the Tensor itself, because conjugates are computed at once",
    "resolve_neg": "gives the Tensor itself, because negatives are computed at once",
    "igamma": "the gradient with respect to `input` is NaN; torch raises",
    "igammac": "the gradient with respect to `input` is NaN; torch raises",
}
"""By name, or by section and name: how a function that is there differs from torch's."""

ABSENT: dict[str, str] = {
    "airy_ai": "jax has no Airy function",
    "chalf": "jax has no complex numbers of half precision",
    "grad_dtype": "a gradient has the dtype of its Tensor",
    "hash_tensor": "a checksum of torch's own bytes",
    "index": "is only a name of indexing: write `x[index]`",
    "is_inference": "Tensors of inference mode are Tensors without history",
    "ldl_factor": "jax has no LDL decomposition",
    "ldl_factor_ex": "jax has no LDL decomposition",
    "ldl_solve": "jax has no LDL decomposition",
    "lobpcg": "only for sparse and very large matrices; `linalg.eigh` is there",
    "native_channel_shuffle": "the same as `channel_shuffle`",
    "output_nr": "a detail of torch's graph",
    "volatile": "removed from torch's surface long ago",
    "bernoulli": "is a function: `torch.bernoulli(x)`",
    "multinomial": "is a function: `torch.multinomial(x, n)`",
}
"""By name, or by section and name: why a function is absent."""

_KINDS = {
    "comparisons, tests, counts, indices and integers": """
        all allclose any argmax argmin argsort argwhere bincount bitwise_and bitwise_left_shift bitwise_not
        bitwise_or bitwise_right_shift bitwise_xor bucketize count_nonzero eq equal ge gcd greater greater_equal
        gt hash_tensor heaviside histc histogram histogramdd isclose isfinite isin isinf isnan isneginf isposinf
        isreal lcm le less less_equal logical_and logical_not logical_or logical_xor lt matrix_rank ne nextafter
        nonzero nonzero_static not_equal one_hot searchsorted signbit unique_consecutive unravel_index __and__
        __or__ __xor__ __invert__ __iand__ __ior__ __ixor__ __rand__ __ror__ __rxor__ __lshift__ __rshift__
        __ilshift__ __irshift__ __rlshift__ __rrshift__ __contains__ __bool__ __complex__ __float__ __int__
        __len__ __repr__ __floordiv__ __rfloordiv__ __ifloordiv__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__
        __index__ floor_divide unique
    """,
    "random numbers and new Tensors": """
        bernoulli cauchy empty_like exponential full_like geometric log_normal multinomial normal ones_like
        poisson random uniform zeros_like
    """,
    "queries, modes and conversions to Python": """
        apply autocast backward dim dim_order element_size get_device is_complex is_conj is_contiguous
        is_floating_point is_inference is_neg is_nonzero is_signed item map ndimension nelement numel numpy
        record_stream register_hook register_post_accumulate_grad_hook requires_grad retain_grad size
        storage_offset tolist type byte char short int long bool dtype device grad_fn is_cpu is_cuda is_leaf
        is_sparse itemsize layout nbytes ndim output_nr requires_grad retains_grad shape volatile grad_dtype
        data grad detach detach_copy
    """,
}
NOT_DIFFERENTIATED = {name for names in _KINDS.values() for name in names.split()}
"""The names, without the underscore of in-place forms, of functions through which no gradients flow."""
