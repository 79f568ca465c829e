"""Padding against torch: value and gradient in every mode, for padding and cropping."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from tests.parity.reference import assert_close, assert_same_with_gradients, nchw, nhwc, random

SHAPES = {1: (2, 5, 3), 2: (1, 5, 4, 3), 3: (2, 3, 4, 5, 2)}


@pytest.mark.parametrize("pads", [
    (2, 1), (0, 3), (-1, 2), (3, -2), (-2, -1), (2, 1, 0, 3), (-1, 2, 3, -2), (1, 2, 2, 1, 0, 2), (2, -1, -1, 0, 1, 2),
])  # fmt: skip
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode, pads):
    options = {"value": 1.5} if mode == "constant" else {}
    assert_same_with_gradients(
        lambda x: F.pad(x, pads, mode, **options), lambda x: TF.pad(x, pads, mode, **options),
        [random(0, *SHAPES[len(pads) // 2])], to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize(("mode", "pads"), [
    ("constant", (7, -5)), ("constant", (-2, -3)), ("replicate", (7, 0)), ("replicate", (4, -4)), ("reflect", (4, 4)),
    ("reflect", (4, -4)), ("reflect", (-4, 4)), ("circular", (5, 5)), ("circular", (-2, 3)),
])  # fmt: skip
def test_the_largest_padding_that_torch_allows(mode, pads):
    x = random(0, 1, 5, 2)
    assert_close(F.pad(x, pads, mode), nhwc(TF.pad(nchw(x), pads, mode)))


@pytest.mark.parametrize(("mode", "pads", "match"), [
    ("constant", (7, -6), "crops more than there is"),
    ("reflect", (5, 0), "at most 4 pixels at an end of 5"),
    ("reflect", (-3, -3), "crops more than there is"),
    ("replicate", (-3, -3), "crops more than there is"),
    ("circular", (0, 6), '"circular" adds at most 5 pixels'),
    ("circular", (-3, -3), "crops more than there is"),
])
def test_both_raise_beyond_it(mode, pads, match):
    x = random(0, 1, 5, 2)
    with pytest.raises(ValueError, match=match):
        F.pad(x, pads, mode)
    with pytest.raises(RuntimeError):
        TF.pad(nchw(x), pads, mode)


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_dtypes_are_kept(mode):
    for dtype in ("uint8", "int32", "bool"):
        x = np.random.default_rng(0).integers(0, 2, (1, 5, 4, 3)).astype(dtype)
        assert_close(F.pad(x, (1, 2), mode), F.pad(x.astype("float32"), (1, 2), mode).astype(dtype), what=dtype)
    x = torch.from_numpy(random(0, 2, 3, 7)).bfloat16()
    ours = F.pad(jnp.moveaxis(jnp.asarray(x.float().numpy(), jnp.bfloat16), 1, -1), (1, 2), mode)
    assert_close(jnp.moveaxis(ours, -1, 1), TF.pad(x, (1, 2), mode))


def test_empty_padding_changes_nothing():
    x = random(0, 2, 5, 3)
    assert_close(F.pad(x, ()), nhwc(TF.pad(nchw(x), ())))
