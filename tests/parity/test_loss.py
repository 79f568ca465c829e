"""Losses against torch: value and derivatives, every option and reduction, kinks and saturated inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as T

import funcvision.functional as F
from funcvision import nn

from .reference import assert_close, assert_same_with_gradients, back, random, same


def compare(name, arrays, *constants, classes=False, **options):
    """Value and derivatives with respect to `arrays`, for all reductions at once.

    `constants` are further arguments, such as targets. With `classes` the last axis of `arrays` is torch's second.
    """

    def all_reductions(function, concatenate, constants, options):
        def run(*arrays):
            each, total, mean = (
                function(*arrays, *constants, reduction=reduction, **options) for reduction in ("none", "sum", "mean")
            )
            size = max(1, each.reshape(-1).shape[0])  # a large sum would loosen the tolerance of the others
            return concatenate([each.reshape(-1), total.reshape(1) / size, mean.reshape(1)])

        return run

    second = lambda x: same(x if x.ndim < 3 else np.moveaxis(x, -1, 1))
    last = lambda t: back(t if t.ndim < 3 else t.movedim(1, -1))
    assert_same_with_gradients(
        all_reductions(getattr(F, name), jnp.concatenate, constants, options),
        all_reductions(
            getattr(T, name), torch.cat, [to_tensor(value) for value in constants],
            {key: to_tensor(value) for key, value in options.items()},
        ),
        arrays,
        to_torch=[second if classes else same] * len(arrays),
        from_torch=[last if classes else back] * len(arrays),
        out=back,
    )


def to_tensor(value):
    return same(value) if isinstance(value, np.ndarray) else value


def choice(seed, shape, values):
    return np.random.default_rng(seed).choice(values, shape)


WEIGHT = random(7, 4, low=0.1, high=2.0)


# Classes


@pytest.mark.parametrize("shape", [(4,), (2, 3, 5, 4)])
@pytest.mark.parametrize(
    "options",
    [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"weight": WEIGHT}, {"weight": WEIGHT, "label_smoothing": 1.0},
     {"weight": WEIGHT, "ignore_index": 2, "label_smoothing": 0.3}],
    ids=lambda options: "-".join(options) or "plain",
)
def test_cross_entropy_with_indices(shape, options):
    target = choice(0, shape[:-1], [0, 1, 3, 3 if len(shape) == 1 else options.get("ignore_index", -100)])
    compare("cross_entropy", [3 * random(1, *shape)], np.asarray(target), classes=True, **options)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 5, 4)])
@pytest.mark.parametrize(
    "options", [{}, {"weight": WEIGHT}, {"weight": WEIGHT, "label_smoothing": 0.2}], ids=len
)
def test_cross_entropy_with_probabilities(shape, options):
    compare("cross_entropy", [random(1, *shape), random(2, *shape, low=0.0)], classes=True, **options)


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"weight": WEIGHT, "label_smoothing": 0.1}], ids=len)
def test_cross_entropy_where_all_positions_are_ignored(options):
    compare("cross_entropy", [random(3, 3, 4)], np.full(3, -100), **options)  # the mean is NaN, its derivative 0


def test_cross_entropy_with_excluded_classes_and_large_logits():
    compare("cross_entropy", [np.float32([[0, -np.inf, 1, 2], [0, 1, 2, -np.inf]])], np.array([0, 2]))
    compare("cross_entropy", [np.float32([[1e4, 0, -1e4, 0]])], np.array([2]))
    compare("cross_entropy", [np.float32([[1e38, -1e38, 0, 0]])], np.array([1]))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_cross_entropy_accumulates_half_precision_in_float32(dtype):
    x, target = jnp.asarray(random(4, 300, 1000), dtype), choice(5, 300, 1000)
    loss = F.cross_entropy(x, target)
    assert loss.dtype == jnp.dtype(dtype)
    expected = T.cross_entropy(same(x.astype(jnp.float32)), same(target))
    assert_close(loss.astype(jnp.float32), expected, rtol=float(jnp.finfo(dtype).eps))


@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT, "ignore_index": 2}], ids=len)
def test_nll_loss(options):
    compare("nll_loss", [random(1, 2, 3, 5, 4)], choice(0, (2, 3, 5), 4), classes=True, **options)


@pytest.mark.parametrize("options", [{}, {"p": 2, "margin": 0.5}, {"weight": WEIGHT}], ids=len)
def test_multi_margin_loss(options):
    x = random(1, 3, 4)
    x[0] = [1, 0, 2, 1]  # exactly at the margin, which is a kink
    compare("multi_margin_loss", [x], np.array([0, 3, 1]), **options)


# Probabilities of two outcomes


@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}], ids=len)
def test_binary_cross_entropy(options):
    x, target = random(1, 3, 4, low=0.01, high=0.99), random(2, 3, 4, low=0.0)
    compare("binary_cross_entropy", [x, target], **options)


def test_binary_cross_entropy_of_saturated_probabilities():
    x, target = np.float32([0, 0, 1, 1, 1e-30, 0]), np.float32([0, 1, 0, 1, 1, 0.5])
    compare("binary_cross_entropy", [x], target)


@pytest.mark.parametrize("names", [(), ("weight",), ("pos_weight",), ("weight", "pos_weight")], ids=len)
def test_binary_cross_entropy_with_logits(names):
    x, target = 3 * random(1, 3, 4), random(2, 3, 4, low=0.0)
    compare("binary_cross_entropy_with_logits", [x, target], **dict.fromkeys(names, WEIGHT))


def test_binary_cross_entropy_of_large_logits():
    x, target = np.float32([0, 1e4, -1e4, 1e4, -1e4]), np.float32([0, 1, 0, 0, 1])
    compare("binary_cross_entropy_with_logits", [x], target)


def test_soft_margin_loss():
    compare("soft_margin_loss", [random(1, 3, 4)], choice(2, (3, 4), np.float32([-1, 1])))


# Several classes at once


MULTILABEL = np.array([[3, 0, -1, 1, 1], [-1, 0, 0, 0, 0], [0, 1, 2, 3, 4], [2, 2, -1, -1, 0]])


def test_multilabel_margin_loss():
    """No target, all classes as targets, a class named twice, and an exact margin, which is a kink."""
    x = random(1, 4, 5)
    x[0, 2:4] = [1, 2]
    compare("multilabel_margin_loss", [x], MULTILABEL)
    compare("multilabel_margin_loss", [x[3]], MULTILABEL[3])
    assert_close(nn.MultiLabelMarginLoss()(jnp.asarray(x), MULTILABEL), torch.nn.MultiLabelMarginLoss()(
        same(x), same(MULTILABEL)
    ))
    assert np.isnan(F.multilabel_margin_loss(jnp.ones(3), jnp.array([3, -1, 0])))
    assert np.isfinite(F.multilabel_margin_loss(jnp.ones(3), jnp.array([-1, 3, 0])))


@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}], ids=len)
def test_multilabel_soft_margin_loss(options):
    x, target = 9 * random(1, 2, 3, 4), choice(2, (2, 3, 4), np.float32([0, 1]))
    compare("multilabel_soft_margin_loss", [x, target], **options)
    theirs = torch.nn.MultiLabelSoftMarginLoss(*map(same, options.values()))
    assert_close(nn.MultiLabelSoftMarginLoss(*options.values())(*map(jnp.asarray, (x, target))), theirs(
        *map(same, (x, target))
    ))


# Regression


@pytest.mark.parametrize(
    ("name", "options"),
    [("mse_loss", {}), ("l1_loss", {}), ("huber_loss", {}), ("huber_loss", {"delta": 0.3}), ("smooth_l1_loss", {}),
     ("smooth_l1_loss", {"beta": 0.3}), ("smooth_l1_loss", {"beta": 0.0})],
)
def test_regression(name, options):
    x, target = random(1, 3, 4), random(2, 3, 4)
    x[0], target[0] = [0, 1, -1, 9], [0, 0, 0, 0]  # kinks, and a large difference
    compare(name, [x, target], **options)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_regression_with_weights(name):
    compare(name, [random(1, 3, 4), random(2, 3, 4)], weight=random(3, 3, 4, low=0.0))


# Distributions


@pytest.mark.filterwarnings("ignore:reduction")  # torch warns that its "mean" will change
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(log_target):
    x, target = -random(1, 3, 4, low=0.1, high=3.0), random(2, 3, 4, low=0.1)
    compare("kl_div", [x, np.log(target) if log_target else target], log_target=log_target)


@pytest.mark.parametrize("shape", [(), (3,), (3, 4)])
def test_kl_div_of_one_sample(shape):
    x, target = -random(1, *shape, low=0.1, high=3.0), random(2, *shape, low=0.1)
    expected = T.kl_div(same(x), same(target), reduction="batchmean")
    assert_close(F.kl_div(jnp.asarray(x), jnp.asarray(target), reduction="batchmean"), expected)


@pytest.mark.filterwarnings("ignore:reduction")
def test_kl_div_of_zero_probabilities():
    compare("kl_div", [np.float32([-1, -2, -3])], np.float32([0, 1, 0.5]))


@pytest.mark.parametrize(("shape", "full"), [((3, 4), False), ((3, 4), True), ((3,), False), ((3, 1), True)])
def test_gaussian_nll_loss(shape, full):
    var = random(3, *shape, low=0.1, high=2.0)
    var.flat[0] = 0.0  # below eps, where torch's derivative is not 0
    compare("gaussian_nll_loss", [random(1, 3, 4), random(2, 3, 4), var], full=full, eps=1e-2)


def test_gaussian_nll_loss_with_one_variance():
    compare("gaussian_nll_loss", [random(1, 3, 4), random(2, 3, 4)], 0.3)


@pytest.mark.parametrize("log_input", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_poisson_nll_loss(log_input, full):
    counts = choice(2, (3, 4), np.float32([0, 1, 2, 3]))
    compare("poisson_nll_loss", [random(1, 3, 4, low=0.1, high=3.0)], counts, log_input=log_input, full=full)


# Embeddings


@pytest.mark.parametrize("margin", [0.0, 0.4])
def test_cosine_embedding_loss(margin):
    x1, x2, target = random(1, 6, 4), random(2, 6, 4), np.float32([1, -1, -1, 1, 1, -1])
    x1[1], x2[1] = [1, 0, 0, 0], [0, 1, 0, 0]  # orthogonal: a kink
    compare("cosine_embedding_loss", [x1, x2], target, margin=margin)
    x1[0] = 0  # its derivative is so large that the tolerance would hide errors of the others
    compare("cosine_embedding_loss", [x1, x2], target, margin=margin)


@pytest.mark.parametrize("margin", [0.0, 1.0])
def test_losses_of_pairs(margin):
    x1, x2, target = random(1, 6), random(2, 6), np.float32([1, -1, -1, 1, -1, 0])
    x1[:2], x2[0] = [0.5 + margin, 1.0], 0.5  # kinks of both losses
    compare("margin_ranking_loss", [x1, x2], target, margin=margin)
    compare("hinge_embedding_loss", [x1], target, margin=margin)


@pytest.mark.parametrize(
    "options", [{}, {"p": 1.0, "margin": 0.5}, {"p": 3.0, "swap": True}, {"eps": 0.0}], ids=str
)
def test_triplet_margin_loss(options):
    anchor, positive, negative = (random(seed, 3, 4) for seed in (1, 2, 3))
    if options == {"eps": 0.0}:  # exactly at the margin, which is a kink
        anchor[0], positive[0], negative[0] = [0, 0, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]
    compare("triplet_margin_loss", [anchor, positive, negative], **options)


@pytest.mark.parametrize("swap", [False, True])
def test_triplet_margin_loss_of_any_distance(swap):
    arrays = [random(seed, 3, 4) for seed in (1, 2, 3)]
    compare("triplet_margin_with_distance_loss", arrays, swap=swap, margin=0.5)
    for manhattan, name, reduction in (
        (lambda a, b: abs(a - b).sum(-1), "triplet_margin_with_distance_loss", "mean"),
        (lambda a, b: 1 - (a * b).sum(-1), "triplet_margin_with_distance_loss", "none"),
    ):
        options = {"distance_function": manhattan, "swap": swap, "reduction": reduction}
        expected = getattr(T, name)(*map(same, arrays), **options)
        assert_close(getattr(F, name)(*map(jnp.asarray, arrays), **options), expected)
        assert_close(nn.TripletMarginWithDistanceLoss(**options)(*map(jnp.asarray, arrays)), expected)


# Precision


@pytest.mark.parametrize(
    "name",
    ["binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss",
     "soft_margin_loss", "poisson_nll_loss", "hinge_embedding_loss"],
)
def test_half_precision_accumulates_in_float32_and_is_returned(name):
    x = jnp.asarray(random(1, 2000, low=0.0), jnp.bfloat16)
    loss = getattr(F, name)(x, jnp.ones_like(x))
    assert loss.dtype == jnp.bfloat16
    exact = getattr(T, name)(same(x.astype(jnp.float32)), torch.ones(2000))
    assert_close(loss.astype(jnp.float32), exact, rtol=float(jnp.finfo(jnp.bfloat16).eps))


def test_float64_stays_float64():
    with jax.enable_x64(True):
        compare("cross_entropy", [random(1, 3, 4, dtype="float64")], np.array([0, 3, 1]), label_smoothing=0.1)


# Modules

SCORES, OTHERS, SIGNS = random(1, 6, 4), random(2, 6, 4), np.float32([[1], [-1], [1], [1], [-1], [1]])
LABELS, SHARES, RATES = np.array([0, 1, 2, 3, 0, -100]), random(3, 6, 4, low=0.1), random(4, 6, 4, low=0.1)
MODULES = [
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.1, "reduction": "sum"}, (SCORES, LABELS)),
    ("NLLLoss", {"weight": WEIGHT, "ignore_index": 2}, (SCORES[:5], LABELS[:5])),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": WEIGHT}, (SCORES[:5], LABELS[:5])),
    ("BCELoss", {"weight": WEIGHT}, (RATES, SHARES)),
    ("BCEWithLogitsLoss", {"weight": WEIGHT, "pos_weight": WEIGHT}, (SCORES, SHARES)),
    ("SoftMarginLoss", {"reduction": "none"}, (SCORES, SIGNS.repeat(4, 1))),
    ("MSELoss", {}, (SCORES, OTHERS)),
    ("L1Loss", {"reduction": "sum"}, (SCORES, OTHERS)),
    ("SmoothL1Loss", {"beta": 0.3}, (SCORES, OTHERS)),
    ("HuberLoss", {"delta": 0.3}, (SCORES, OTHERS)),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, (SCORES, OTHERS)),
    ("GaussianNLLLoss", {"full": True, "eps": 0.2}, (SCORES, OTHERS, RATES)),
    ("PoissonNLLLoss", {"log_input": False, "full": True}, (RATES, SHARES)),
    ("CosineEmbeddingLoss", {"margin": 0.2}, (SCORES, OTHERS, SIGNS[:, 0])),
    ("MarginRankingLoss", {"margin": 0.2}, (SCORES[:, :1], OTHERS[:, :1], SIGNS)),
    ("HingeEmbeddingLoss", {"margin": 0.2}, (SCORES[:, :1], SIGNS)),
    ("TripletMarginLoss", {"margin": 0.5, "p": 3.0, "swap": True}, (SCORES, OTHERS, RATES)),
    ("CosineSimilarity", {"dim": 0}, (SCORES, OTHERS)),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, (SCORES, OTHERS)),
]


@pytest.mark.parametrize(("name", "options", "arrays"), MODULES, ids=[name for name, *_ in MODULES])
def test_modules_need_no_parameters(name, options, arrays):
    theirs = getattr(torch.nn, name)(**{key: to_tensor(value) for key, value in options.items()})
    ours = getattr(nn, name)(**options)
    assert not ours.declarations()
    assert_close(jax.jit(ours)(*arrays), theirs(*map(same, arrays)))


def test_nll_loss_of_images_under_its_former_name():
    x, target = random(1, 2, 3, 5, 4), choice(0, (2, 3, 5), 4)
    theirs = torch.nn.NLLLoss(same(WEIGHT))(same(np.moveaxis(x, -1, 1)), same(target))
    assert_close(nn.NLLLoss2d(WEIGHT)(jnp.asarray(x), jnp.asarray(target)), theirs)
