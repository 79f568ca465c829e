"""The interpreter against jax: every primitive that it knows, loops, and calls that it must leave to the compiler."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from funcvision.eager._interpreter import Plan, UnsupportedError
from funcvision.eager._numpy_rules import RULES

RNG = np.random.default_rng(0)
REAL = RNG.standard_normal((3, 4)).astype(np.float32)
OTHER = RNG.standard_normal((3, 4)).astype(np.float32)
POSITIVE = np.abs(REAL) + np.float32(0.1)
FRACTION = (RNG.random((3, 4)) * 1.8 - 0.9).astype(np.float32)
SPECIAL = np.array([0.0, -0.0, 1.5, -2.5, 0.5, np.inf, -np.inf, np.nan, 1e38, -3e9], np.float32)
INTEGERS = RNG.integers(-9, 9, (3, 4)).astype(np.int32)
DIVISORS = np.array([[0, 1, -1, 2], [3, -4, 0, 5], [-2, 7, 1, 0]], np.int32)
BYTES = RNG.integers(0, 255, (3, 4)).astype(np.uint8)
BOOLS = REAL > 0
OTHER_BOOLS = OTHER > 0
ROWS = np.array([2, 0, 7, -3], np.int32)


def check(function, *arrays):
    """Compares the interpreter with jax, the dtypes too. Returns the primitives of the function."""
    closed = jax.make_jaxpr(function)(*arrays)
    found = Plan(closed)([jnp.asarray(array) for array in arrays])
    wanted = jax.tree.leaves(jax.jit(function)(*arrays))
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)
    return set(primitives(closed.jaxpr))


def primitives(jaxpr):
    """The names of the primitives of a jaxpr and of those in it."""
    for eqn in jaxpr.eqns:
        yield eqn.primitive.name
        for value in eqn.params.values():
            if hasattr(inner := getattr(value, "jaxpr", value), "eqns"):
                yield from primitives(inner)


def along(function, **options):
    return functools.partial(function, **options)


# For each primitive: calls that have it.
CASES = {
    "abs": [(lax.abs, REAL), (lax.abs, INTEGERS)],
    "acos": [(lax.acos, FRACTION)],
    "acosh": [(lax.acosh, 1 + POSITIVE)],
    "add": [(lax.add, REAL, OTHER), (lax.add, INTEGERS, DIVISORS), (lax.add, BYTES, BYTES)],
    "add_any": [(jax.grad(lambda x: jnp.sum(x * jnp.sin(x))), REAL)],
    "and": [(lax.bitwise_and, INTEGERS, DIVISORS), (lax.bitwise_and, BOOLS, OTHER_BOOLS)],
    "argmax": [(lambda x: lax.argmax(x, 1, jnp.int32), REAL), (lambda x: lax.argmax(x, 0, jnp.int32), SPECIAL)],
    "argmin": [(lambda x: lax.argmin(x, 1, jnp.int32), REAL), (lambda x: lax.argmin(x, 0, jnp.int32), BYTES)],
    "asin": [(lax.asin, FRACTION)],
    "asinh": [(lax.asinh, REAL)],
    "atan": [(lax.atan, REAL)],
    "atan2": [(lax.atan2, REAL, OTHER)],
    "atanh": [(lax.atanh, FRACTION)],
    "bitcast_convert_type": [(lambda x: lax.bitcast_convert_type(x, jnp.int32), REAL)],
    "broadcast_in_dim": [
        (lambda x: lax.broadcast_in_dim(x, (2, 3, 4), (1, 2)), REAL),
        (lambda x: lax.broadcast_in_dim(x, (3, 4), (0, 1)), REAL[:, :1]),
        (lambda x: lax.broadcast_in_dim(x, (2, 3), ()), REAL[0, 0]),
    ],
    "cbrt": [(lax.cbrt, REAL)],
    "ceil": [(lax.ceil, SPECIAL)],
    "clamp": [(lax.clamp, np.float32(-0.5), REAL, np.float32(0.5)), (lax.clamp, BYTES // 2, BYTES, BYTES // 2 + 3)],
    "concatenate": [(lambda x, y: lax.concatenate([x, y, x], 1), REAL, OTHER)],
    "convert_element_type": [
        (lambda x: lax.convert_element_type(x, jnp.int32), SPECIAL),
        (lambda x: lax.convert_element_type(x, jnp.uint8), SPECIAL[:3]),
        (lambda x: lax.convert_element_type(x, jnp.bool_), SPECIAL),
        (lambda x: lax.convert_element_type(x, jnp.float32), INTEGERS),
        (lambda x: lax.convert_element_type(x, jnp.int8), INTEGERS * 100),
    ],
    "copy": [(jnp.copy, REAL)],
    "cos": [(lax.cos, REAL)],
    "cosh": [(lax.cosh, REAL)],
    "cumlogsumexp": [(along(lax.cumlogsumexp, axis=1), REAL), (along(lax.cumlogsumexp, axis=0, reverse=True), REAL)],
    "cummax": [(along(lax.cummax, axis=1), REAL), (along(lax.cummax, axis=0, reverse=True), INTEGERS)],
    "cummin": [(along(lax.cummin, axis=1), REAL), (along(lax.cummin, axis=0, reverse=True), INTEGERS)],
    "cumprod": [(along(lax.cumprod, axis=1), REAL), (along(lax.cumprod, axis=0, reverse=True), INTEGERS)],
    "cumsum": [(along(lax.cumsum, axis=1), REAL), (along(lax.cumsum, axis=0, reverse=True), BYTES)],
    "div": [(lax.div, REAL, OTHER), (lax.div, INTEGERS, DIVISORS), (lax.div, BYTES, BYTES[::-1])],
    "dot_general": [
        (jnp.matmul, REAL, OTHER.T.copy()), (jnp.dot, REAL[0], OTHER[0]), (jnp.matmul, INTEGERS, DIVISORS.T.copy()),
        (lambda x, y: jnp.einsum("bij,bkj->ibk", x, y), REAL.reshape(3, 2, 2), OTHER.reshape(3, 2, 2)),
        (lambda x, y: jnp.tensordot(x, y, 2), REAL.reshape(3, 2, 2), OTHER.reshape(2, 2, 3)),
    ],
    "dynamic_slice": [(lambda x, i: lax.dynamic_slice(x, (i, i), (2, 2)), REAL, i) for i in map(np.int32, (-3, 1, 9))],
    "dynamic_update_slice": [(lambda x, i: lax.dynamic_update_slice(x, x[:2, :2], (i, i)), REAL, np.int32(1))],
    "eq": [(lax.eq, INTEGERS, DIVISORS), (lax.eq, SPECIAL, SPECIAL)],
    "erf": [(lax.erf, REAL)],
    "erfc": [(lax.erfc, REAL)],
    "exp": [(lax.exp, REAL), (lax.exp, SPECIAL)],
    "exp2": [(lax.exp2, REAL)],
    "erf_inv": [(lax.erf_inv, FRACTION), (lax.erf_inv, np.array([1, -1, 0, 0.9999999, -0.99, 2, np.nan], np.float32))],
    "expm1": [(lax.expm1, REAL)],
    "floor": [(lax.floor, SPECIAL)],
    "ge": [(lax.ge, REAL, OTHER), (lax.ge, SPECIAL, SPECIAL)],
    "gt": [(lax.gt, REAL, OTHER)],
    "integer_pow": [(lambda x, n=n: lax.integer_pow(x, n), REAL) for n in (-2, -1, 2, 3, 7)]
    + [(lambda x: lax.integer_pow(x, 3), INTEGERS)],
    "iota": [(lambda x: x + lax.broadcasted_iota(jnp.int32, (3, 4), 1), INTEGERS)],
    "is_finite": [(lax.is_finite, SPECIAL)],
    "le": [(lax.le, REAL, OTHER)],
    "lgamma": [(lax.lgamma, POSITIVE), (lax.lgamma, np.array([-1.5, 0.0, -3.0, 2.0], np.float32))],
    "log": [(lax.log, POSITIVE), (lax.log, SPECIAL)],
    "log1p": [(lax.log1p, FRACTION)],
    "logistic": [(lax.logistic, REAL), (lax.logistic, SPECIAL)],
    "lt": [(lax.lt, REAL, OTHER)],
    "max": [(lax.max, REAL, OTHER), (lax.max, SPECIAL, SPECIAL[::-1].copy())],
    "min": [(lax.min, REAL, OTHER), (lax.min, BOOLS, OTHER_BOOLS)],
    "mul": [(lax.mul, REAL, OTHER), (lax.mul, INTEGERS * 2**28, DIVISORS)],
    "name": [(lambda x: checkpoint_name(x, "kept") + 1, REAL)],
    "ne": [(lax.ne, INTEGERS, DIVISORS)],
    "neg": [(lax.neg, REAL), (lax.neg, BYTES)],
    "nextafter": [(lax.nextafter, REAL, OTHER)],
    "not": [(lax.bitwise_not, INTEGERS), (lax.bitwise_not, BOOLS)],
    "optimization_barrier": [(lambda x, y: lax.optimization_barrier((x, y)), REAL, OTHER)],
    "or": [(lax.bitwise_or, INTEGERS, DIVISORS), (lax.bitwise_or, BOOLS, OTHER_BOOLS)],
    "pad": [
        (lambda x, c=c: lax.pad(x, np.float32(7), c), REAL)
        for c in (
            ((1, 2, 0), (0, 0, 2)), ((-1, 3, 1), (2, -1, 0)), ((-2, -1, 0), (-1, -1, 3)), ((-1, -1, 2), (1, -3, 1)),
        )
    ],
    "pow": [(lax.pow, POSITIVE, OTHER), (lax.pow, REAL, INTEGERS), (lax.pow, SPECIAL, SPECIAL[::-1].copy())],
    "random_bits": [
        (lambda k: jax.random.bits(k, (3, 5), "uint32"), jax.random.key(3)),
        (lambda k: jax.random.bits(k, (7,), "uint8"), jax.random.key(3)),
        (lambda k, x: jnp.where(jax.random.bernoulli(k, 0.3, (3, 4)), x, 0), jax.random.key(4), REAL),
    ],
    "random_fold_in": [(lambda k: jax.random.uniform(jax.random.fold_in(k, 12), (3,)), jax.random.key(5))],
    "random_split": [(lambda k: jax.random.key_data(jax.random.split(k, 3)), jax.random.key(6))],
    "random_unwrap": [(lambda k: jax.random.key_data(k), jax.random.key(7))],
    "random_wrap": [(lambda x: jax.random.bits(jax.random.wrap_key_data(x), (3,)), np.array([1, 2], np.uint32))],
    "reduce_and": [(along(jnp.all, axis=1), BOOLS)],
    "reduce_max": [(along(jnp.max, axis=0), REAL), (along(jnp.max, axis=(0, 1)), BYTES), (jnp.max, SPECIAL)],
    "reduce_min": [(along(jnp.min, axis=1), REAL), (jnp.min, INTEGERS)],
    "reduce_or": [(along(jnp.any, axis=0), BOOLS)],
    "reduce_prod": [(along(jnp.prod, axis=0), REAL), (jnp.prod, DIVISORS[0])],
    "reduce_sum": [(along(jnp.sum, axis=0), REAL), (jnp.sum, INTEGERS), (along(jnp.sum, axis=1), np.ones((3, 0), "f"))],
    "reduce_xor": [(lambda x: lax.reduce(x, np.int32(0), lax.bitwise_xor, (1,)), INTEGERS)],
    "rem": [(lax.rem, REAL, OTHER), (lax.rem, INTEGERS, DIVISORS), (lax.rem, BYTES, BYTES[::-1])],
    "reshape": [(lambda x: lax.reshape(x, (2, 6)), REAL), (lambda x: lax.reshape(x, (2, 6), (1, 0)), REAL)],
    "rev": [(lambda x: lax.rev(x, (1,)), REAL)],
    "round": [
        (lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), SPECIAL),
        (lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), SPECIAL),
    ],
    "rsqrt": [(lax.rsqrt, POSITIVE)],
    "select_n": [(lax.select_n, BOOLS, REAL, OTHER), (lax.select_n, np.bool_(True), REAL, OTHER)],
    "shift_left": [(lax.shift_left, INTEGERS, DIVISORS * 9)],
    "shift_right_arithmetic": [(lax.shift_right_arithmetic, INTEGERS, DIVISORS * 9)],
    "shift_right_logical": [(lax.shift_right_logical, INTEGERS, DIVISORS * 9)],
    "sign": [(lax.sign, SPECIAL), (lax.sign, INTEGERS)],
    "sin": [(lax.sin, REAL)],
    "sinh": [(lax.sinh, REAL)],
    "slice": [(lambda x: lax.slice(x, (0, 1), (3, 4), (2, 1)), REAL)],
    "sort": [
        (lambda x: lax.sort(x, dimension=0), REAL), (lambda x: lax.sort(x), SPECIAL),
        (lambda x, y: lax.sort((x, y), dimension=1, num_keys=1), INTEGERS, REAL),
    ],
    "split": [(lambda x: lax.split(x, (1, 3), 1), REAL)],
    "sqrt": [(lax.sqrt, SPECIAL)],
    "square": [(lax.square, REAL), (lax.square, BYTES)],
    "squeeze": [(lambda x: lax.squeeze(x, (0,)), REAL[:1])],
    "stop_gradient": [(lax.stop_gradient, REAL)],
    "stack": [(lambda x, y: jnp.stack([x, y], 1), REAL, OTHER)],
    "sub": [(lax.sub, REAL, OTHER), (lax.sub, BYTES, BYTES[::-1])],
    "tan": [(lax.tan, REAL)],
    "tanh": [(lax.tanh, REAL)],
    "tile": [(lambda x: jnp.tile(x, (2, 1, 3)), REAL)],
    "top_k": [(lambda x: lax.top_k(x, 2), REAL), (lambda x: lax.top_k(x, 5), SPECIAL)],
    "transpose": [(lambda x: lax.transpose(x, (1, 2, 0)), REAL.reshape(3, 2, 2))],
    "unstack": [(lambda x: jnp.unstack(x, axis=1), REAL)],
    "xor": [(lax.bitwise_xor, INTEGERS, DIVISORS), (lax.bitwise_xor, BOOLS, OTHER_BOOLS)],
    "gather": [
        (lambda x, i: x.at[i].get(mode="fill"), REAL, ROWS), (lambda x, i: x.at[i].get(mode="clip"), REAL, ROWS),
        (lambda x, i: x.at[:, i].get(mode="fill"), INTEGERS, ROWS), (lambda x, i: x[i, i], REAL, ROWS),
        (lambda x, i: x.at[i, 1:3].get(mode="fill", fill_value=5), REAL, ROWS),
        (lambda x, i: jnp.take_along_axis(x, i % 4, 1), REAL, INTEGERS),
        (lambda x, i: jnp.take_along_axis(x, i % 3, 0), REAL, INTEGERS),
    ],
    "scatter": [
        (lambda x, i: x.at[i].set(1.0), REAL, ROWS), (lambda x, i: x.at[:, i].set(1.0, mode="clip"), REAL, ROWS),
        (lambda x, i: x.at[i, i].set(jnp.arange(4.0)), REAL, np.array([0, 1, 2, 5], np.int32)),
    ],
    "scatter-add": [
        (lambda x, i: x.at[i].add(x[0]), REAL, ROWS), (lambda x, i: x.at[i, 1:3].add(2), INTEGERS, ROWS),
        (lambda x, i: jax.grad(lambda x: jnp.sum(jnp.take_along_axis(x, i % 4, 1) ** 2))(x), REAL, INTEGERS),
    ],
    "scatter-sub": [(lambda x, i: x.at[i].subtract(x[0]), REAL, ROWS)],
    "scatter-max": [(lambda x, i: x.at[i].max(0.1), REAL, ROWS)],
    "scatter-min": [(lambda x, i: x.at[i].min(0.1), REAL, ROWS)],
    "scatter-mul": [(lambda x, i: x.at[i].multiply(2.0), REAL, ROWS)],
}  # fmt: skip
if jax.__version_info__ >= (0, 11):  # before, these are composed of other primitives
    CASES |= {"log2": [(lax.log2, POSITIVE)], "one_minus_square": [(lax.one_minus_square, REAL)]}


def test_every_rule_has_a_case():
    of_symbols = {"dim_as_value"}  # see `test_lengths`
    of_newer_jax = {"log2", "one_minus_square"}
    assert set(CASES) | of_symbols | of_newer_jax == set(RULES)


@pytest.mark.parametrize("primitive", CASES)
def test_a_primitive(primitive):
    with jax.numpy_dtype_promotion("standard"):
        for function, *arrays in CASES[primitive]:
            assert primitive in check(function, *arrays)


def test_loops_and_branches():
    def total(x, start):
        carry, sums = lax.scan(lambda c, row: (c + row, jnp.sum(c)), start, x, reverse=True)
        return lax.fori_loop(0, 3, lambda i, c: c * 2 + i, carry), sums

    def chosen(x, i):
        return lax.switch(i, [lambda x: x + 1, lambda x: x * 2, jnp.tanh], x)

    def halved(x):
        return lax.while_loop(lambda x: jnp.max(x) > 0.1, lambda x: x / 2, x)

    check(total, REAL, np.ones(4, np.float32))
    for i in (0, 2, 5):
        check(chosen, REAL, np.int32(i))
    check(halved, POSITIVE)


def test_derivatives_and_calls():
    def loss(w, x, labels):
        hidden = jax.checkpoint(lambda x: jnp.maximum(x @ w, 0))(x)
        scores = jax.nn.log_softmax(hidden)
        return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], 1)) + jax.nn.relu(w).sum() + jnp.std(w)

    check(jax.value_and_grad(loss), OTHER.T.copy(), REAL, np.array([0, 2, 1], np.int32))
    check(jax.vmap(lambda x: jnp.cumsum(jnp.sort(x))), REAL)


def test_results_share_no_memory_with_arguments():
    x = jnp.asarray(REAL)
    plan = Plan(jax.make_jaxpr(lambda x: [x, x.reshape(12), x.T, x[1:], x + 1])(x))
    for result in plan([x]):
        assert not np.shares_memory(result, np.asarray(x))
        assert result.flags.owndata


def test_what_is_forwarded():
    assert Plan(jax.make_jaxpr(lambda x, y: [y, x, y])(REAL, OTHER)).forwards == [1, 0, 1]
    assert Plan(jax.make_jaxpr(lambda x, y: [y, x + 1])(REAL, OTHER)).forwards is None


def test_equations_that_nothing_needs_are_not_run():
    assert Plan(jax.make_jaxpr(lambda x: jax.jit(lambda x: [jnp.sin(x), jnp.cos(x)])(x)[0])(REAL)).cost == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 2), (1, 1), "VALID"),
        lambda x: jnp.zeros((200, 200)) + x[0, 0],
        lambda x: lax.fori_loop(0, 5000, lambda i, c: c * 2, x),
        lambda x: lax.convert_element_type(x, jnp.bfloat16),
        lambda x: lax.complex(x, x),
        jnp.linalg.qr,
        functools.partial(jnp.lexsort, axis=0),
        lambda x: jax.random.split(jax.random.key(0))[0],
    ],
    ids=["no rule", "large", "long", "half type", "complex", "library", "several keys", "random keys"],
)
def test_what_must_be_compiled(function):
    with pytest.raises(UnsupportedError):
        Plan(jax.make_jaxpr(function)(REAL))
