import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcvision.functional as F

KEY = jax.random.key(0)
LOGITS = jax.random.normal(KEY, (6, 4))
TARGET = jnp.array([0, 1, 2, 3, 0, 1])
PAIRS = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "hinge_embedding_loss", "huber_loss", "kl_div",
    "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
]


@pytest.mark.parametrize("name", PAIRS)
def test_inputs_are_not_broadcast(name):
    with pytest.raises(ValueError, match=rf"{name} compares arrays of one shape and got \(6, 1\) and \(6,\)"):
        getattr(F, name)(jnp.ones((6, 1)), jnp.ones(6))


@pytest.mark.parametrize("name", PAIRS)
def test_elementwise_losses_under_jit_and_vmap(name):
    x, target = jnp.linspace(0.1, 0.9, 24).reshape(2, 3, 4)
    loss = getattr(F, name)
    each = jax.jit(jax.vmap(loss))(x, target)
    np.testing.assert_allclose(each, loss(x, target, reduction="none").mean(-1), rtol=1e-5)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "multi_margin_loss"])
def test_class_losses_under_jit_and_vmap(name):
    loss = getattr(F, name)
    each = jax.jit(jax.vmap(loss))(LOGITS, TARGET)
    np.testing.assert_allclose(each, loss(LOGITS, TARGET, reduction="none"), rtol=1e-6)
    np.testing.assert_allclose(each.mean(), loss(LOGITS, TARGET), rtol=1e-6)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss", "multi_margin_loss"])
def test_an_index_that_is_no_class_gives_nan(name):
    losses = jax.jit(lambda t: getattr(F, name)(LOGITS, t, reduction="none"))(jnp.array([0, -1, -4, 4, 1000, 3]))
    np.testing.assert_array_equal(jnp.isnan(losses), [False, True, True, True, True, False])


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.int8, jnp.int16])
def test_indices_of_any_integer_dtype(dtype):
    logits = jax.random.normal(KEY, (6, 300))  # more classes than the dtype can count
    target = jnp.array([0, 1, 2, 100, 127, 5])
    expected = F.cross_entropy(logits, target, ignore_index=100)
    np.testing.assert_array_equal(F.cross_entropy(logits, target.astype(dtype), ignore_index=100), expected)


def test_ignored_positions_do_not_affect_the_loss():
    broken = LOGITS.at[1].set(jnp.nan)  # any value, even NaN
    loss, gradient = jax.value_and_grad(lambda x: F.cross_entropy(x, TARGET.at[1].set(255), ignore_index=255))(broken)
    kept = jnp.array([0, 2, 3, 4, 5])
    expected = jax.value_and_grad(lambda x: F.cross_entropy(x, TARGET[kept]))(LOGITS[kept])
    np.testing.assert_allclose(loss, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient[kept], expected[1], rtol=1e-5, atol=1e-7)


def test_ignored_positions_get_no_gradient():
    gradient = jax.grad(lambda x: F.cross_entropy(x, TARGET.at[1].set(-100), label_smoothing=0.1))(LOGITS)
    np.testing.assert_array_equal(gradient[1], 0)
    assert gradient[0].any()


def test_targets_are_cast_to_the_dtype_of_the_input():
    target = jnp.linspace(0, 1, 6, dtype=jnp.bfloat16)
    assert F.mse_loss(jnp.ones(6), target).dtype == jnp.float32
    assert F.mse_loss(target, jnp.ones(6)).dtype == jnp.bfloat16


def test_label_smoothing_equals_smoothed_probabilities():
    smoothed = F.cross_entropy(LOGITS, TARGET, label_smoothing=0.2)
    probabilities = 0.8 * jax.nn.one_hot(TARGET, 4) + 0.2 / 4
    np.testing.assert_allclose(smoothed, F.cross_entropy(LOGITS, probabilities), rtol=1e-6)


def test_weights_may_be_python_numbers():
    weighted = F.cross_entropy(LOGITS, TARGET, (1.0, 2.0, 3.0, 4.0))
    np.testing.assert_allclose(weighted, F.cross_entropy(LOGITS, TARGET, jnp.arange(1.0, 5.0)), rtol=1e-6)


def test_second_derivatives():
    hessian = jax.jit(jax.hessian(lambda x: F.cross_entropy(x, jnp.array(1))))(LOGITS[0])
    p = jax.nn.softmax(LOGITS[0])
    np.testing.assert_allclose(hessian, jnp.diag(p) - jnp.outer(p, p), atol=1e-6)
    second = jax.jit(jax.grad(jax.grad(lambda x: F.binary_cross_entropy(x, jnp.array(1.0)))))(0.25)
    np.testing.assert_allclose(second, 16, rtol=1e-5)


def test_the_error_for_channels_first_logits_names_them():
    with pytest.raises(ValueError, match=r"torch's \[batch, classes, ...\]: pass jnp.moveaxis\(input, 1, -1\)"):
        F.cross_entropy(jnp.ones((2, 21, 8, 9)), jnp.zeros((2, 8, 9), int))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.cross_entropy(LOGITS, TARGET[:3]), r"\(6, 4\) with a target of shape \(3,\): .*\(6,\) is expected"),
        (lambda: F.cross_entropy(LOGITS, jnp.ones(6)), r"integer class indices, .* got float32 \(6,\)"),
        (lambda: F.cross_entropy(LOGITS, jnp.ones((6, 4), int)), r"class probabilities: .*\(int32 was given\)"),
        (lambda: F.cross_entropy(LOGITS, LOGITS, ignore_index=1), r"nothing in it can be ignored \(ignore_index=1\)"),
        (lambda: F.cross_entropy(LOGITS, TARGET, jnp.ones(3)), r"each of 4 classes; its shape is \(3,\)"),
        (lambda: F.cross_entropy(LOGITS, TARGET, label_smoothing=1.5), "a share from 0 to 1; it is 1.5"),
        (
            lambda: F.cross_entropy(LOGITS, TARGET, reduction="avg"),
            "reduction='avg' is unknown; give 'mean', 'sum' or 'none'",
        ),
        (lambda: F.multi_margin_loss(LOGITS, TARGET, p=3), "p=1 or p=2; it is 3"),
        (lambda: F.smooth_l1_loss(LOGITS, LOGITS, beta=-1.0), "beta of 0 or more; it is -1.0"),
        (lambda: F.huber_loss(LOGITS, LOGITS, delta=0.0), "positive delta; it is 0.0"),
        (lambda: F.mse_loss(LOGITS, LOGITS, weight=jnp.ones(4)), r"weight must have the shape of the input, \(6, 4\)"),
        (lambda: F.binary_cross_entropy(LOGITS, LOGITS, jnp.ones(3)), r"must broadcast .* \(6, 4\); it is \(3,\)"),
        (
            lambda: F.binary_cross_entropy_with_logits(LOGITS, LOGITS, pos_weight=jnp.ones(6)),
            r"pos_weight must broadcast .* \(6, 4\); it is \(6,\)",
        ),
        (lambda: F.gaussian_nll_loss(LOGITS, LOGITS, jnp.ones(4)), r"variances of shape \(4,\) over .* \(6, 4\)"),
        (lambda: F.cosine_embedding_loss(LOGITS, LOGITS, TARGET[:2]), r"a target of shape \(6,\) and got \(2,\)"),
        (lambda: F.triplet_margin_loss(LOGITS, LOGITS, LOGITS, 0.0), "positive margin; it is 0.0"),
        (lambda: F.triplet_margin_loss(LOGITS, LOGITS, LOGITS[:1]), r"one shape and got \(6, 4\) and \(1, 4\)"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_integer_inputs_raise():
    with pytest.raises(TypeError, match=r"floating-point array is needed and this one, .* is int32: cast it"):
        F.mse_loss(TARGET, TARGET)


@pytest.mark.parametrize("name", ["soft_margin_loss", "binary_cross_entropy_with_logits"])
def test_large_scores_keep_the_loss_finite(name):
    x, target = jnp.array([3e38, -3e38, 3e38]), jnp.array([1.0, 1.0, 0.0])
    loss, gradient = jax.value_and_grad(lambda x: getattr(F, name)(x, target, reduction="none").max())(x)
    assert jnp.isfinite(loss)
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("log_target", [False, True])
def test_a_target_probability_of_zero_adds_nothing_to_kl_div(log_target):
    target = jnp.array([0.0, 0.5, 0.5])
    target = jnp.log(target) if log_target else target
    loss, gradients = jax.value_and_grad(lambda x, t: F.kl_div(x, t, reduction="sum", log_target=log_target), (0, 1))(
        jnp.log(jnp.array([0.2, 0.4, 0.4])), target
    )
    np.testing.assert_allclose(loss, np.log(0.5 / 0.4), rtol=1e-6)
    assert all(jnp.isfinite(g).all() for g in gradients)


def test_embedding_losses_under_vmap():
    a, b, c = jax.random.normal(KEY, (3, 5, 4))
    sign = jnp.array([1.0, -1.0, 1.0, 1.0, -1.0])
    for loss, arrays in ((F.triplet_margin_loss, (a, b, c)), (F.cosine_embedding_loss, (a, b, sign))):
        np.testing.assert_allclose(jax.jit(jax.vmap(loss))(*arrays), loss(*arrays, reduction="none"), rtol=1e-6)
