"""Attention and `MultiheadAttention` against torch: value, weights and gradients, with every mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from funcvision import nn
from tests.parity.layers import arrays_of, assert_layer_equal, randomise
from tests.parity.reference import assert_close, assert_same_with_gradients, back, random, same

BOOLEAN = np.random.default_rng(5).uniform(size=(3, 7)) < 0.6
EMPTY_ROW = BOOLEAN & (np.arange(3) != 1)[:, None]


def compare(shapes, masks=(), **options):
    """Compares with torch on random query, key and value; float masks are differentiated too."""
    arrays = [random(i, *shape) for i, shape in enumerate(shapes)]
    floating = [mask for mask in masks if mask.dtype != bool]
    boolean = [mask for mask in masks if mask.dtype == bool]
    layouts = {"to_torch": [same] * (3 + len(floating)), "from_torch": [back] * (3 + len(floating))}
    assert_same_with_gradients(
        lambda q, k, v, *m: F.scaled_dot_product_attention(q, k, v, *m, *map(jnp.asarray, boolean), **options),
        lambda q, k, v, *m: TF.scaled_dot_product_attention(q, k, v, *m, *map(same, boolean), **options),
        [*arrays, *floating], **layouts, out=back,
    )


@pytest.mark.parametrize(("shapes", "options"), [
    ([(2, 4, 3, 5), (2, 4, 7, 5), (2, 4, 7, 6)], {}),
    ([(2, 4, 3, 5), (2, 4, 7, 5), (2, 4, 7, 6)], {"scale": 0.3}),
    ([(2, 4, 3, 5), (2, 4, 7, 5), (2, 4, 7, 6)], {"is_causal": True}),
    ([(1, 2, 7, 4), (1, 2, 3, 4), (1, 2, 3, 4)], {"is_causal": True, "scale": 1.5}),
    ([(3, 5), (7, 5), (7, 2)], {}),
    ([(2, 3, 2, 3, 5), (2, 3, 2, 7, 5), (2, 3, 2, 7, 5)], {}),
    ([(2, 4, 1, 5), (1, 4, 1, 5), (1, 1, 1, 5)], {"is_causal": True}),
])
def test_shapes_and_options(shapes, options):
    compare(shapes, **options)


@pytest.mark.parametrize("mask", [BOOLEAN, EMPTY_ROW, np.zeros((3, 7), bool), BOOLEAN[None, None], BOOLEAN[:1]])
def test_boolean_masks_and_queries_without_keys(mask):
    compare([(2, 4, 3, 5), (2, 4, 7, 5), (2, 4, 7, 6)], [mask])


@pytest.mark.parametrize("mask", [
    random(7, 3, 7), random(7, 2, 1, 3, 7), np.where(EMPTY_ROW, random(7, 3, 7), -np.inf).astype(np.float32),
])
def test_float_masks(mask):
    compare([(2, 4, 3, 5), (2, 4, 7, 5), (2, 4, 7, 6)], [mask])


@pytest.mark.parametrize("heads", [(6, 2, 2), (6, 3, 2), (4, 1, 1)])
def test_grouped_queries(heads):
    shapes = [(2, h, n, 5) for h, n in zip(heads, (3, 7, 7))]
    compare(shapes, [BOOLEAN], enable_gqa=True)


def test_an_empty_sequence_of_keys_gives_zeros():
    shapes = (2, 3, 4), (2, 0, 4), (2, 0, 5)
    expected = TF.scaled_dot_product_attention(*(torch.zeros(shape) for shape in shapes))
    assert_close(F.scaled_dot_product_attention(*map(jnp.zeros, shapes)), expected)


def test_bfloat16_is_rounded_once():
    arrays = [jnp.asarray(random(i, 2, 4, n, 8) * 3, jnp.bfloat16) for i, n in enumerate((3, 7, 7))]
    ours = F.scaled_dot_product_attention(*arrays)
    assert ours.dtype == jnp.bfloat16
    tensors = [torch.from_numpy(np.asarray(a, np.float32)) for a in arrays]
    assert_close(ours.astype(jnp.float32), TF.scaled_dot_product_attention(*tensors), rtol=2**-8)
    assert_close(ours, TF.scaled_dot_product_attention(*(t.bfloat16() for t in tensors)))
    gradient = jax.grad(lambda q: F.scaled_dot_product_attention(q, *arrays[1:]).sum())(arrays[0])
    assert gradient.dtype == jnp.bfloat16


def test_float64():
    with jax.enable_x64(True):
        arrays = [random(i, 2, n, 5, dtype="float64") for i, n in enumerate((3, 7, 7))]
        assert_same_with_gradients(
            lambda *qkv: F.scaled_dot_product_attention(*qkv, jnp.asarray(EMPTY_ROW)),
            lambda *qkv: TF.scaled_dot_product_attention(*qkv, same(EMPTY_ROW)),
            arrays, to_torch=[same] * 3, from_torch=[back] * 3, out=back,
        )


KPM = np.array([[0, 0, 0, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1]], bool)
ATTN = np.random.default_rng(6).uniform(size=(4, 5)) < 0.3


def qkv(batch_first=False, batch=3, kdim=8, vdim=8):
    arrays = [random(i, batch, n, e) for i, (n, e) in enumerate([(4, 8), (5, kdim), (5, vdim)])]
    return arrays if batch_first else [a.swapaxes(0, 1).copy() for a in arrays]


def both(*args, **options):
    return nn.MultiheadAttention(*args, **options), torch.nn.MultiheadAttention(*args, **options)


@pytest.mark.parametrize(("options", "call"), [
    ({}, {}),
    ({"batch_first": True}, {"need_weights": False}),
    ({"bias": False}, {"need_weights": False}),
    ({"add_bias_kv": True}, {"attn_mask": ATTN}),
    ({"add_zero_attn": True, "batch_first": True}, {"key_padding_mask": KPM, "need_weights": False}),
    ({"kdim": 6, "vdim": 7, "batch_first": True}, {}),
    ({"vdim": 5}, {}),
    ({"add_bias_kv": True, "add_zero_attn": True, "bias": False, "kdim": 6}, {"attn_mask": ATTN}),
])
def test_multihead_attention(options, call):
    inputs = qkv(options.get("batch_first", False), kdim=options.get("kdim", 8), vdim=options.get("vdim", 8))
    assert_layer_equal(*both(8, 2, **options), inputs, train=True, **call)


@pytest.mark.parametrize("call", [
    {"key_padding_mask": KPM}, {"attn_mask": ATTN, "key_padding_mask": KPM}, {"attn_mask": random(7, 4, 5)},
    {"key_padding_mask": random(8, 3, 5), "attn_mask": random(7, 6, 4, 5), "average_attn_weights": False},
    {"attn_mask": np.random.default_rng(8).uniform(size=(6, 4, 5)) < 0.2},
    {"attn_mask": ~np.tri(4, 5, dtype=bool), "is_causal": True},
    {"attn_mask": ~np.tri(4, 5, dtype=bool), "is_causal": True, "need_weights": False},
])
def test_masks_of_multihead_attention(call):
    assert_layer_equal(*both(8, 2), qkv(), **call)


@pytest.mark.parametrize("batch_first", [False, True])
def test_multihead_attention_without_a_batch(batch_first):
    inputs = [x[0] for x in qkv(batch_first=True)]
    masks = {"key_padding_mask": random(8, 5), "attn_mask": random(7, 2, 4, 5)}
    assert_layer_equal(*both(8, 2, batch_first=batch_first, add_bias_kv=True), inputs, **masks)
    assert_layer_equal(*both(8, 2, batch_first=batch_first), inputs, attn_mask=ATTN, average_attn_weights=False)


def test_self_attention_in_float64_with_a_batch_of_one():
    ours, theirs = both(6, 3, batch_first=True)
    assert_layer_equal(_OnItself(ours), _TorchOnItself(theirs), [random(0, 1, 5, 6)], dtype="float64", train=True)


class _OnItself(nn.Module):
    def __init__(self, attention):
        self.attention = attention

    def forward(self, x):
        return self.attention(x, x, x)


class _TorchOnItself(torch.nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x):
        return self.attention(x, x, x)


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_query_whose_keys_are_all_ignored_gets_zeros_before_the_projection(need_weights):
    """As in torch with need_weights=False. With need_weights=True torch gives NaN, which would spoil training."""
    ours, theirs = both(8, 2, batch_first=True)
    params, state = arrays_of(ours, theirs)
    inputs, mask = qkv(batch_first=True), KPM | (np.arange(3) == 1)[:, None]

    def loss(params):
        (y, weights), _ = ours.apply(params, state, *inputs, key_padding_mask=mask, need_weights=need_weights)
        return y.sum(), (y, weights)

    expected, _ = theirs(*map(same, inputs), key_padding_mask=same(mask), need_weights=False)
    gradient, (y, weights) = jax.jit(jax.grad(loss, has_aux=True))(params)
    assert_close(y, expected)
    expected.sum().backward()
    assert_close(gradient["in_proj_weight"], theirs.in_proj_weight.grad.T)
    if need_weights:
        assert_close(weights[1], np.zeros((4, 5), np.float32))


def weights_of(theirs, separate):
    """The weights of a torch module as arguments of both functions: torch's, and ours, which are transposed."""
    names = ["q_proj_weight", "k_proj_weight", "v_proj_weight"] if separate else ["in_proj_weight"]
    tensors = {name: getattr(theirs, name).detach() for name in names}
    arrays = {name: jnp.asarray(tensor.numpy().T) for name, tensor in tensors.items()}
    if separate:
        tensors |= {"use_separate_proj_weight": True, "in_proj_weight": None}
        arrays |= {"use_separate_proj_weight": True, "in_proj_weight": None}
    return tensors, arrays


@pytest.mark.parametrize(("options", "call"), [
    ({}, {}),
    ({"kdim": 6, "vdim": 7}, {"need_weights": False}),
    ({}, {"static_k": random(5, 6, 9, 4), "static_v": random(6, 6, 9, 4)}),
    ({"add_bias_kv": True}, {"attn_mask": ATTN, "key_padding_mask": KPM, "average_attn_weights": False}),
])
def test_multi_head_attention_of_given_weights(options, call):
    theirs = torch.nn.MultiheadAttention(8, 2, add_zero_attn=True, **options)
    randomise(theirs)
    tensors, arrays = weights_of(theirs, separate="kdim" in options)
    biases = {name: getattr(theirs, name) for name in ("in_proj_bias", "bias_k", "bias_v")}
    biases["out_proj_bias"] = theirs.out_proj.bias
    tensors |= {**biases, "out_proj_weight": theirs.out_proj.weight}
    arrays |= {name: None if t is None else jnp.asarray(t.detach().numpy()) for name, t in biases.items()}
    arrays["out_proj_weight"] = jnp.asarray(theirs.out_proj.weight.detach().numpy().T)
    fixed = {"embed_dim_to_check": 8, "num_heads": 2, "add_zero_attn": True, "dropout_p": 0.0}
    masks = {name: value for name, value in call.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in call.items() if name not in masks}
    qkv_arrays = qkv(kdim=options.get("kdim", 8), vdim=options.get("vdim", 8))
    expected = TF.multi_head_attention_forward(
        *map(same, qkv_arrays), **fixed, **tensors, **rest, **{name: same(value) for name, value in masks.items()}
    )
    ours = jax.jit(lambda qkv, masks: F.multi_head_attention_forward(*qkv, **fixed, **arrays, **rest, **masks))
    output, weights = ours(qkv_arrays, masks)
    assert_close(output, expected[0])
    if expected[1] is None:
        assert weights is None
    else:
        assert_close(weights, expected[1])


def test_errors_of_multi_head_attention():
    x, weight, good = jnp.ones((4, 3, 8)), jnp.ones((8, 8)), jnp.ones((8, 24))
    call = lambda packed=good, **options: F.multi_head_attention_forward(
        x, x, x, 8, 2, packed, None, options.pop("bias_k", None), None, False, options.pop("p", 0.0), weight, None,
        **options,
    )
    for options, match in (
        ({"packed": None}, r"in_proj_weight has the shape \(8, 24\); got None"),
        ({"packed": jnp.ones((24, 8))}, r"got \(24, 8\)"),
        ({"use_separate_proj_weight": True}, r"are \[in, 8\] each; got \[\]"),
        ({"static_k": jnp.ones((6, 5, 3))}, r"static_k has the shape \[6, S, 4\] here"),
        ({"bias_k": jnp.ones((1, 1, 8))}, "bias_k and bias_v together"),
        ({"p": 0.5}, "got no key"),
    ):
        with pytest.raises(ValueError, match=match):
            call(**options)
