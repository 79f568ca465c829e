"""Every function of `functional` at the edges of its domain, against torch: value and gradient.

The points are those of `edges`. Where the two libraries differ on purpose, a table or a comment says why.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from tests.parity import edges
from tests.parity.edges import assert_same_at_edges, few_points, largest, pairs, points, vectors

# Activations

ACTIVATIONS = {
    "relu": {}, "relu6": {}, "elu": {}, "elu-2": {"alpha": 2.0}, "elu-0": {"alpha": 0.0}, "selu": {}, "celu": {},
    "celu-negative": {"alpha": -2.0}, "gelu": {}, "gelu-tanh": {"approximate": "tanh"}, "leaky_relu": {},
    "leaky_relu-0": {"negative_slope": 0.0}, "rrelu": {}, "silu": {}, "mish": {}, "softplus": {},
    "softplus-negative": {"beta": -2.0}, "softplus-threshold": {"threshold": 3.0}, "softsign": {}, "softshrink": {},
    "softshrink-0": {"lambd": 0.0}, "hardshrink": {}, "hardshrink-negative": {"lambd": -1.0}, "tanhshrink": {},
    "threshold": {"threshold": 1.0, "value": 7.0}, "hardtanh": {}, "hardtanh-wide": {"min_val": -3.0, "max_val": 1.5},
    "hardsigmoid": {}, "hardswish": {}, "sigmoid": {}, "tanh": {}, "logsigmoid": {},
}
NOT_AT = {  # torch's own formula overflows: the value is finite or infinite, the derivative 0 or 1, and torch has NaN
    "gelu": lambda x: x > 1e38, "gelu-tanh": lambda x: np.isfinite(x) & (np.abs(x) > 1e38), "softsign": np.isinf,
    "hardswish": lambda x: np.isfinite(x) & (x > 1e38),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    function, options = name.split("-")[0], ACTIVATIONS[name]

    def arrays(dtype):
        x = np.concatenate([points(dtype, 0.5, -0.5, 3, -3, 6, -6, 20, -20, 90, -90, 105, -105), largest(dtype)])
        return [x[~NOT_AT.get(name, np.zeros_like)(x).astype(bool)]]

    ways = [("float32", "plain"), ("float32", "jit"), ("float64", "vmap")]
    if name == "hardsigmoid":  # torch's factor of 1/6 has only the precision of float32
        ways = ways[:2]
    assert_same_at_edges(
        lambda x: getattr(F, function)(x, **options), lambda x: getattr(TF, function)(x, **options), arrays, ways=ways
    )


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "silu", "gelu", "softplus", "logsigmoid", "hardtanh"])
def test_smooth_activations_of_denormal_numbers(name):
    assert_same_at_edges(getattr(F, name), getattr(TF, name), lambda dtype: [edges.denormals(dtype)])


def test_kinks_take_denormal_numbers_for_zero():
    """XLA's CPU code compares a denormal number as 0, so that the derivative is that of the kink; torch has 1."""
    assert len(edges.differences(F.relu, torch.relu, [edges.denormals()], call="jit")) == 3


def test_prelu_of_infinite_numbers_and_slopes():
    def arrays(dtype):
        x = points(dtype)[~np.isnan(points(dtype))]
        return [np.repeat(x[x > 0][:, None], 4, 1), np.array([0.25, 0, -1, np.inf], dtype)]

    assert_same_at_edges(F.prelu, TF.prelu, arrays)
    assert_same_at_edges(
        F.prelu, TF.prelu, lambda dtype: [np.repeat(points(dtype)[:, None], 3, 1), np.array([0.25, 0, -1], dtype)]
    )


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_softmax_family(name):
    assert_same_at_edges(
        getattr(F, name), lambda x: getattr(TF, name)(x, -1), lambda dtype: [vectors(points(dtype), few_points(dtype))]
    )


def test_glu():
    assert_same_at_edges(F.glu, lambda x: TF.glu(x, -1), lambda dtype: [vectors(points(dtype), points(dtype))])


# Vectors


def two(dtype):
    return vectors(few_points(dtype), few_points(dtype))


def shuffled(dtype):
    return two(dtype)[np.random.default_rng(0).permutation(81)]


def without_small(*arrays):
    """The vectors at which no array has 1e-5: its derivatives are compared with rounding errors of those of 4096."""
    small = [(np.abs(x) == np.array(1e-5, x.dtype)).reshape(len(x), -1).any(1) for x in arrays]
    return [x[~np.any(small, 0)] for x in arrays]


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 0.5, 1.5, float("inf")])
def test_norms_and_distances(p):
    assert_same_at_edges(
        lambda x: F.normalize(x, p), lambda x: TF.normalize(x, p, -1), lambda dtype: without_small(two(dtype))
    )
    for eps in (1e-6, 0.0):
        ours, theirs = (functools.partial(side.pairwise_distance, p=p, eps=eps) for side in (F, TF))
        assert_same_at_edges(ours, theirs, lambda dtype: [two(dtype), shuffled(dtype)])
        assert_same_at_edges(ours, theirs, lambda dtype: [two(dtype), two(dtype)])  # equal vectors


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1.0, 2.0, float("inf")])
def test_triplet_margin_loss(p, swap):
    ours, theirs = (
        lambda a, b, c, side=side: side.triplet_margin_loss(a, b, c, p=p, swap=swap, reduction="none")
        for side in (F, TF)
    )
    assert_same_at_edges(ours, theirs, lambda dtype: [two(dtype), shuffled(dtype), two(dtype)[::-1].copy()])


@pytest.mark.parametrize("target", [1, -1])
def test_cosines(target):
    assert_same_at_edges(
        F.cosine_similarity, lambda x, y: TF.cosine_similarity(x, y, -1),
        lambda dtype: without_small(two(dtype), shuffled(dtype)),
    )
    assert_same_at_edges(
        lambda x, y: F.cosine_embedding_loss(x, y, jnp.full(len(x), target), reduction="none"),
        lambda x, y: TF.cosine_embedding_loss(x, y, torch.full((len(x),), target), reduction="none"),
        lambda dtype: without_small(two(dtype), shuffled(dtype)), ways=edges.WAYS[:2],  # torch's eps is a float32
    )


# Losses

REGRESSION = {
    "mse_loss": {}, "l1_loss": {}, "smooth_l1_loss": {}, "smooth_l1_loss-0": {"beta": 0.0},
    "smooth_l1_loss-2": {"beta": 2.0}, "smooth_l1_loss-small": {"beta": 1e-10}, "huber_loss": {},
    "huber_loss-2": {"delta": 2.0}, "huber_loss-infinite": {"delta": float("inf")}, "hinge_embedding_loss": {},
}


def loss(side, name, **options):
    return lambda *arrays: getattr(side, name)(*arrays, reduction="none", **options)


@pytest.mark.parametrize("name", REGRESSION)
def test_losses_of_differences(name):
    function, options = name.split("-")[0], REGRESSION[name]
    assert_same_at_edges(
        loss(F, function, **options), loss(TF, function, **options), lambda dtype: pairs(points(dtype), points(dtype))
    )


@pytest.mark.parametrize("beta", [1.0, 2.0, 1e-10])
def test_smooth_l1_loss_of_the_largest_numbers(beta):
    both = loss(F, "smooth_l1_loss", beta=beta), loss(TF, "smooth_l1_loss", beta=beta)
    assert_same_at_edges(*both, lambda dtype: [largest(dtype), np.zeros(2, dtype)])


def test_losses_with_a_sign_as_target():
    assert_same_at_edges(
        loss(F, "soft_margin_loss"), loss(TF, "soft_margin_loss"), argnums=[0],
        # Torch's exponential overflows at -105, where the loss is 105.
        arrays=lambda dtype: pairs(points(dtype)[np.abs(points(dtype)) < 50], np.array([1, -1], dtype)),
    )
    for sign in (1, -1):
        assert_same_at_edges(
            loss(F, "margin_ranking_loss"), loss(TF, "margin_ranking_loss"),
            lambda dtype, sign=sign: [*pairs(points(dtype), points(dtype)), np.full(21**2, sign, dtype)],
            argnums=[0, 1],
        )


def probabilities(dtype):
    small = np.finfo(dtype).tiny * 4
    return np.array([0, -0.0, 1, 0.5, 1e-10, 1e-30, small, 1 - np.finfo(dtype).epsneg, 1 - 1e-3], dtype)


def test_binary_cross_entropy():
    both = loss(F, "binary_cross_entropy"), loss(TF, "binary_cross_entropy")
    assert_same_at_edges(  # not in float64, because torch's bound of the denominator is a float32
        *both, lambda dtype: pairs(probabilities(dtype), probabilities(dtype)), ways=edges.WAYS[:2]
    )


@pytest.mark.parametrize("pos_weight", [None, 0.0, 2.0])
def test_binary_cross_entropy_with_logits(pos_weight):
    def both(side, array):
        return lambda x, y: side.binary_cross_entropy_with_logits(
            x, y, reduction="none", pos_weight=None if pos_weight is None else array(pos_weight, dtype=x.dtype)
        )

    targets = probabilities if pos_weight is not None else points  # with a weight, infinite targets give NaN in torch
    # The product of 1e10 and the smallest targets is within rounding of the other term.
    assert_same_at_edges(
        both(F, jnp.array), both(TF, torch.tensor), ways=[("float32", "plain"), ("float64", "vmap")],
        arrays=lambda dtype: pairs(points(dtype)[np.abs(points(dtype)) != 1e10], targets(dtype)),
    )


@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(log_target):
    # Deviation: where a target of probability 0 adds nothing, torch's derivative with respect to the target is NaN, and
    # so is its value for a logarithm of -inf.
    def arrays(dtype):
        x, y = pairs(points(dtype), points(dtype))
        kept = ~np.isneginf(y) if log_target else y != 0
        return [x[kept], y[kept]]

    both = loss(F, "kl_div", log_target=log_target), loss(TF, "kl_div", log_target=log_target)
    assert_same_at_edges(*both, arrays)
    x, zero = jnp.float32([-1.0, 2.0]), jnp.float32([-jnp.inf, -jnp.inf] if log_target else [0, 0])
    value, pullback = jax.vjp(both[0], x, zero)
    assert not value.any()
    assert all(jnp.isfinite(gradient).all() for gradient in pullback(jnp.ones(2)))


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("log_input", [False, True])
def test_poisson_nll_loss(log_input, full):
    # Deviation: with `full`, torch's derivative with respect to a target of 1 or less is NaN; it is finite here.
    argnums = [0] if full else [0, 1]
    options = {"log_input": log_input, "full": full}
    assert_same_at_edges(
        loss(F, "poisson_nll_loss", **options), loss(TF, "poisson_nll_loss", **options), argnums=argnums,
        arrays=lambda dtype: pairs(points(dtype), points(dtype)),
    )
    gradient = jax.grad(lambda y: loss(F, "poisson_nll_loss", **options)(jnp.ones(3), y).sum())
    assert jnp.isfinite(gradient(jnp.float32([0.0, 0.5, 1.0]))).all()


@pytest.mark.parametrize("full", [False, True])
def test_gaussian_nll_loss(full):
    def arrays(dtype):
        variances = np.array([0, 1e-10, 1e-6, 1, 1e5, np.inf, np.nan], dtype)
        return [x.ravel() for x in np.meshgrid(few_points(dtype), few_points(dtype), variances)]

    both = loss(F, "gaussian_nll_loss", full=full), loss(TF, "gaussian_nll_loss", full=full)
    assert_same_at_edges(*both, arrays)


CLASSES = np.arange(81) % 2
OF_CLASSES = {
    "cross_entropy": {}, "cross_entropy-smooth": {"label_smoothing": 0.1},
    "cross_entropy-flat": {"label_smoothing": 1.0},
    "cross_entropy-ignore": {"label_smoothing": 0.1, "ignore_index": 1}, "nll_loss": {}, "multi_margin_loss": {},
    "multi_margin_loss-2": {"p": 2},
}


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", OF_CLASSES)
def test_losses_of_classes(name, reduction):
    function, options = name.split("-")[0], OF_CLASSES[name] | {"reduction": reduction}
    assert_same_at_edges(
        lambda x: getattr(F, function)(x, CLASSES, **options),
        lambda x: getattr(TF, function)(x, torch.from_numpy(CLASSES), **options), lambda dtype: [two(dtype)],
    )


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "multi_margin_loss"])
def test_losses_of_weighted_classes(name):
    assert_same_at_edges(
        lambda x, w: getattr(F, name)(x, CLASSES, weight=w, reduction="none"),
        lambda x, w: getattr(TF, name)(x, torch.from_numpy(CLASSES), weight=w, reduction="none"),
        lambda dtype: [two(dtype), np.array([0, 2], dtype)], argnums=[0],
    )


def test_cross_entropy_with_probabilities():
    both = loss(F, "cross_entropy"), loss(TF, "cross_entropy")
    assert_same_at_edges(*both, lambda dtype: [two(dtype), np.stack([CLASSES, 1 - CLASSES], -1).astype(dtype)])


# Norms

EPS = [1e-5, 0.0]


def samples(dtype):
    """[n, 2, 2]: two positions of two channels, among them samples of equal values."""
    equal = np.ones((3, 2, 2), dtype) * np.array([0, 1, -1], dtype)[:, None, None]
    both = np.stack([two(dtype), shuffled(dtype)[:, ::-1]], 1)
    return np.concatenate([*without_small(both), equal])


def channels_first(function):
    return lambda x: function(x.movedim(-1, 1)).movedim(1, -1)


@pytest.mark.parametrize("eps", EPS)
def test_norms_of_samples(eps):
    both = {
        "layer": (lambda x: F.layer_norm(x, 2, eps=eps), lambda x: TF.layer_norm(x, (2,), eps=eps)),
        "rms": (lambda x: F.rms_norm(x, 2, eps=eps), lambda x: TF.rms_norm(x, (2,), eps=eps)),
        "group": (
            lambda x: F.group_norm(x, 1, eps=eps), channels_first(lambda x: TF.group_norm(x, 1, eps=eps))
        ),
        "instance": (
            lambda x: F.instance_norm(x, eps=eps)[0], channels_first(lambda x: TF.instance_norm(x, eps=eps))
        ),
    }
    for ours, theirs in both.values():
        assert_same_at_edges(ours, theirs, lambda dtype: [samples(dtype)])


@pytest.mark.parametrize("eps", EPS)
def test_batch_norm_in_evaluation(eps):
    def theirs(x, mean, var):
        return TF.batch_norm(x.movedim(-1, 1), mean, var, eps=eps).movedim(1, -1)

    assert_same_at_edges(
        lambda x, mean, var: F.batch_norm(x, mean, var, eps=eps)[0], theirs, argnums=[0],
        arrays=lambda dtype: [samples(dtype), np.array([0, 3], dtype), np.array([0, 1], dtype)],
    )


def test_batch_norm_in_training():
    def arrays(dtype):
        equal = np.ones((4, 3), dtype) * np.array([0, 1, -1], dtype)
        return [np.concatenate([vectors(few_points(dtype)[:6], few_points(dtype)[:6]).T.repeat(2, 0), equal], 1)]

    assert_same_at_edges(
        lambda x: F.batch_norm(x, None, None, train=True)[0], lambda x: TF.batch_norm(x, None, None, training=True),
        arrays,
    )
    with pytest.raises(ValueError, match="eps"):
        F.batch_norm(jnp.ones((2, 3)), None, None, train=True, eps=0.0)
    with pytest.raises(ValueError, match="eps"):
        TF.batch_norm(torch.ones(2, 3), None, None, training=True, eps=0.0)


def test_local_response_norm():
    for options in ({"size": 2}, {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 0.0}):
        assert_same_at_edges(
            functools.partial(F.local_response_norm, **options),
            channels_first(functools.partial(TF.local_response_norm, **options)), lambda dtype: [samples(dtype)],
        )


# Pools and padding


def lines(dtype):
    """[n, 4, 1]: all lines of four pixels with these values."""
    values = np.array([0, 0.25, -2.5, np.inf, -np.inf, np.nan], dtype)
    return vectors(values, values, values, values)[..., None]


def lines_without(value):
    """As `lines`, without those in which a pixel has this value."""
    return lambda dtype: [lines(dtype)[~(lines(dtype) == value).any((1, 2))]]


POOLS = [
    ("max_pool1d", (2,)), ("max_pool1d", (3, 2, 1)), ("avg_pool1d", (2,)), ("avg_pool1d", (3, 2, 1)),
    ("avg_pool1d", (3, 2, 1, True, False)), ("adaptive_avg_pool1d", (3,)), ("adaptive_avg_pool1d", (1,)),
    ("adaptive_avg_pool1d", (7,)), ("adaptive_max_pool1d", (3,)), ("adaptive_max_pool1d", (2,)),
    ("adaptive_max_pool1d", (1,)), ("adaptive_max_pool1d", (7,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), POOLS)
def test_pools(name, args):
    # Deviation: a window of -inf with padding gives no gradient, see `_pool_lowering.window_max`.
    with_padding = name == "max_pool1d" and len(args) > 1
    assert_same_at_edges(
        lambda x: getattr(F, name)(x, *args), channels_first(lambda x: getattr(TF, name)(x, *args)),
        lines_without(-np.inf) if with_padding else lambda dtype: [lines(dtype)],
    )


@pytest.mark.parametrize("args", [(2,), (3, 2, True)])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 0.5, -1.0, float("inf"), float("-inf")])
def test_lp_pools(p, args):
    assert_same_at_edges(
        lambda x: F.lp_pool1d(x, p, *args), channels_first(lambda x: TF.lp_pool1d(x, p, *args)),
        lambda dtype: [lines(dtype)],
    )


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode):
    assert_same_at_edges(
        lambda x: F.pad(x, (1, 1), mode), channels_first(lambda x: TF.pad(x, (1, 1), mode)),
        lambda dtype: [lines(dtype)],
    )


def test_linear_maps():
    ones = functools.partial(np.ones, (2, 3))
    assert_same_at_edges(F.linear, lambda x, w: TF.linear(x, w.T), lambda dtype: [two(dtype), ones(dtype)])
    assert_same_at_edges(
        F.bilinear, TF.bilinear, lambda dtype: [two(dtype), shuffled(dtype), np.ones((1, 2, 2), dtype)]
    )


def test_dropped_elements_are_zero():
    """Deviation: torch multiplies what is dropped by 0, so that infinity and NaN become NaN."""
    dropped = F.dropout(jnp.full(100, jnp.inf), 0.5, key=jax.random.key(0))
    assert set(dropped.tolist()) == {0.0, float("inf")}
    assert not F.dropout(jnp.array([1.0, jnp.inf, jnp.nan]), 1.0).any()
    assert TF.dropout(torch.tensor([1.0, float("inf")]), 1.0).isnan().tolist() == [False, True]


# Attention

MASKS = {
    "none": None, "one row": np.array([[True, False, True], [False] * 3]), "all": np.zeros((2, 3), bool),
    "-inf": np.array([[0, -np.inf, 1], [-np.inf] * 3]), "inf": np.array([[0, np.inf, 1], [np.inf] * 3]),
    "nan": np.array([[0, np.nan, 1], [0.0] * 3]),
}  # fmt: skip


@pytest.mark.parametrize("name", MASKS)
def test_attention(name):
    """Deviation: behind a boolean mask, torch adds -inf to an infinite logit, which is NaN. Here it stays hidden."""
    mask = MASKS[name]
    hides = mask is not None and (mask.dtype == bool or name == "-inf")

    def given(x, convert):
        if mask is None or mask.dtype == bool:
            return mask if mask is None else convert(mask)
        return convert(mask.astype("float64" if "64" in str(x.dtype) else "float32"))

    def arrays(dtype, queries, values):
        keys = np.ones((len(queries), 3, 1), dtype) * np.array([1, -1, 2], dtype)[:, None]
        return [queries, keys, values]

    def finite(x):
        return x[np.isfinite(x).reshape(len(x), -1).all(1)]

    def without_4096(x):  # whose gradients are differences of much larger numbers
        return x[~(x == 4096).reshape(len(x), -1).any(1)]

    def of_queries(dtype):
        queries = two(dtype)[:, :, None]
        queries = finite(queries) if hides else queries
        return arrays(dtype, queries, np.ones((len(queries), 3, 1), dtype) * np.array([1, -1, 2], dtype)[:, None])

    def of_values(dtype):
        values = without_4096(np.stack([two(dtype), shuffled(dtype), two(dtype)[::-1]], 1))
        values = finite(values) if hides else values
        return arrays(dtype, np.ones((len(values), 2, 1), dtype), values)

    for points_of in (of_queries, of_values):
        assert_same_at_edges(
            lambda q, k, v: F.scaled_dot_product_attention(q, k, v, given(q, jnp.asarray)),
            lambda q, k, v: TF.scaled_dot_product_attention(q, k, v, given(q, torch.from_numpy)), points_of,
        )


# Arrays of size 0, and one value


@pytest.mark.parametrize("shape", [(0, 3), (0, 4, 3), (2, 0, 3), (0, 4, 4, 3)])
def test_an_empty_batch_leaves_the_running_statistics(shape):
    def both(side, array):
        mean, var, weight = array([1.0, 2.0, 3.0]), array([4.0, 5.0, 6.0]), array([0.5, 1.0, 2.0])
        x = np.moveaxis(np.zeros(shape, "float32"), -1, 1) if side is TF else np.zeros(shape, "float32")
        return x, mean, var, weight

    x, mean, var, weight = both(TF, torch.tensor)
    y = TF.batch_norm(torch.from_numpy(x), mean, var, weight.requires_grad_(), torch.zeros(3), training=True)
    y.sum().backward()
    x, our_mean, our_var, our_weight = both(F, jnp.array)

    @functools.partial(jax.value_and_grad, has_aux=True)
    def run(weight):
        y, statistics = F.batch_norm(jnp.asarray(x), our_mean, our_var, weight, jnp.zeros(3), train=True)
        return y.sum(), (y.shape, statistics)

    (_, (y_shape, statistics)), gradient = run(our_weight)
    assert y_shape == shape
    np.testing.assert_array_equal(statistics, torch.stack([mean, var]))
    np.testing.assert_array_equal(gradient, weight.grad)


def test_instance_norm_of_nothing_leaves_the_running_statistics():
    """Torch fails for an empty batch, and leaves them for samples without a spatial element."""
    mean, var = torch.ones(3), torch.full((3,), 2.0)
    TF.instance_norm(torch.zeros(2, 3, 0), mean, var)
    for shape in ((2, 0, 3), (0, 4, 3), (0, 4, 4, 3)):
        y, statistics = F.instance_norm(jnp.zeros(shape), jnp.ones(3), jnp.full(3, 2.0))
        assert y.shape == shape
        np.testing.assert_array_equal(statistics, torch.stack([mean, var]))


def test_statistics_of_one_value_are_refused():
    calls = [
        (lambda: F.batch_norm(jnp.ones((1, 3)), None, None), lambda: torch.nn.BatchNorm1d(
            3, track_running_stats=False).eval()(torch.ones(1, 3))),
        (lambda: F.batch_norm(jnp.ones((1, 1, 1, 3)), jnp.ones(3), jnp.ones(3), train=True),
         lambda: TF.batch_norm(torch.ones(1, 3, 1, 1), torch.ones(3), torch.ones(3), training=True)),
        (lambda: F.instance_norm(jnp.ones((2, 1, 3))), lambda: TF.instance_norm(torch.ones(2, 3, 1))),
        (lambda: F.group_norm(jnp.ones((1, 3)), 3), lambda: TF.group_norm(torch.ones(1, 3), 3)),
    ]  # fmt: skip
    for both in calls:
        for call in both:
            with pytest.raises(ValueError, match=r"one value|needs two|more than 1"):
                call()
    assert F.group_norm(jnp.ones((1, 4)), 2).shape == (1, 4)


REDUCED = [
    "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "soft_margin_loss", "hinge_embedding_loss",
]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_of_nothing(reduction):
    for name in REDUCED:
        ours = getattr(F, name)(jnp.zeros(0), jnp.zeros(0), reduction=reduction)
        theirs = getattr(TF, name)(torch.zeros(0), torch.zeros(0), reduction=reduction)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    indices = np.zeros(0, "int64")
    for name in ("cross_entropy", "nll_loss"):
        ours = getattr(F, name)(jnp.zeros((0, 3)), indices, reduction=reduction)
        theirs = getattr(TF, name)(torch.zeros(0, 3), torch.from_numpy(indices), reduction=reduction)
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    ours = F.cross_entropy(jnp.zeros((2, 0)), jnp.zeros((2, 0)), reduction=reduction)
    if reduction != "mean":  # which is 0 here and NaN in torch, of two positions without a class
        theirs = TF.cross_entropy(torch.zeros(2, 0), torch.zeros(2, 0), reduction=reduction)
        np.testing.assert_array_equal(ours, theirs)


def test_kl_div_of_nothing_by_batch():
    assert jnp.isnan(F.kl_div(jnp.zeros((0, 2)), jnp.zeros((0, 2)), reduction="batchmean"))


def test_vectors_of_size_zero():
    x, t = jnp.zeros((2, 0)), torch.zeros(2, 0)
    np.testing.assert_array_equal(F.pairwise_distance(x, x), TF.pairwise_distance(t, t))
    np.testing.assert_array_equal(F.cosine_similarity(x, x), TF.cosine_similarity(t, t, -1))
    with pytest.raises(ValueError, match="largest absolute value of nothing"):
        F.normalize(x, float("inf"))
    q, v = jnp.zeros((2, 3, 0)), jnp.ones((2, 3, 4))
    t = torch.zeros(2, 3, 0)
    theirs = TF.scaled_dot_product_attention(t, t, torch.ones(2, 3, 4))
    np.testing.assert_array_equal(F.scaled_dot_product_attention(q, q, v), theirs)
