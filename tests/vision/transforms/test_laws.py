"""Laws that hold for every transform: replay and JSON, keys, jit, vmap; and for those that move pixels, inverses."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcvision.vision import transforms as T
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import Image

from .every_transform import ELASTIC, EVERY, GEOMETRIC, SIZE, largest_difference, mask_box, sample

LEVEL = 1.0
"""A drawn size enters a compiled program as a number, and uint8 is then rounded from float32."""

DIFFERENT = {
    "RandomCrop", "RandomResizedCrop", "RandomRotation", "RandomAffine", "GridDistortion", "RandomIoUCrop",
    "ScaleJitter", "ColorJitter", "GaussianNoise", "MotionBlur", "CoarseDropout", "ElasticTransform",
}
"""Transforms whose draws are as good as never equal."""

KEY = jax.random.key(3)
few = settings(deadline=None, max_examples=4)
seeds = st.integers(0, 2**20)
each = pytest.mark.parametrize("name", EVERY)
each_geometric = pytest.mark.parametrize("name", GEOMETRIC)


def lists(params):
    """Params as JSON can hold them: arrays as nested lists."""
    return jax.tree.map(lambda x: np.asarray(x).tolist(), params)


def through_json(params):
    return json.loads(json.dumps(lists(params)))


def arrays(params):
    """The nested lists of params as arrays again."""
    if isinstance(params, dict):
        return {name: arrays(value) for name, value in params.items()}
    if isinstance(params, list) and any(isinstance(entry, dict | list | tuple) and not numbers_only(entry)
                                        for entry in params):
        return [arrays(entry) for entry in params]
    return jnp.asarray(params)


def numbers_only(value):
    """Whether this is a number, or a nested list of numbers."""
    return all(map(numbers_only, value)) if isinstance(value, list) else not isinstance(value, dict)


def plain(params):
    """Whether these are dicts, tuples and lists of arrays and numbers, without None."""
    if isinstance(params, dict):
        return all(isinstance(name, str) and plain(value) for name, value in params.items())
    if isinstance(params, tuple | list):
        return all(map(plain, params))
    return isinstance(params, np.ndarray | np.generic | jax.Array | int | float | bool)


@each
def test_params_go_through_json(name):
    transform, host = EVERY[name], sample()
    for key in range(3):
        params = transform.params(host, key=key)
        assert plain(params), params
        assert largest_difference(transform.replay(host, through_json(params)), transform(host, key=key)) == 0


@functools.cache
def one_by_one(name):
    """Three samples and their keys, and what the compiled transform makes of each: the results and the params."""
    transform, samples = EVERY[name], [sample(seed, device=True) for seed in (0, 0, 1)]
    keys = jax.random.split(KEY, 3)
    call = jax.jit(lambda x, key: (transform(x, key=key), transform.params(x, key=key)))
    results, params = zip(*map(call, samples, keys), strict=True)
    return samples, keys, results, params


def stacked(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@each
def test_a_batch_is_a_loop_and_its_params_replay(name):
    transform, (samples, _, results, params) = EVERY[name], one_by_one(name)
    batch, loop, params = stacked(samples), stacked(results), stacked(params)
    run = jax.jit(lambda batch: transform.batch(batch, key=KEY))
    result = run(batch)
    assert largest_difference(result, loop) <= LEVEL
    assert largest_difference(result, run(batch)) == 0, "the same key gave something else"
    if name in DIFFERENT:
        first, second = result["image"].array[:2]
        assert (first != second).any(), "two equal images got the same draws"
    assert plain(params), params
    replay = jax.jit(jax.vmap(transform.replay))
    assert largest_difference(replay(batch, params), result) <= LEVEL
    assert largest_difference(replay(batch, arrays(through_json(params))), result) <= LEVEL


@each_geometric
def test_jit_changes_nothing(name):
    samples, keys, results, params = one_by_one(name)
    given, expected = ({entry: x[entry] for entry in ("image", "boxes")} for x in (samples[1], results[1]))
    assert largest_difference(GEOMETRIC[name](given, key=keys[1]), expected) <= LEVEL
    replayed = jax.jit(lambda x: GEOMETRIC[name].replay(x, through_json(params[1])))(given)
    assert largest_difference(replayed, expected) <= LEVEL, "params that went through JSON gave something else"


@few
@given(seed=seeds)
def test_a_flip_twice_is_the_identity(seed):
    one = sample(seed)
    for flip in (F.horizontal_flip, F.vertical_flip):
        for leaf in (one["image"], one["mask"], one["boxes"], one["points"]):
            assert largest_difference(flip(flip(leaf)), leaf) == 0


@each_geometric
@few
@given(seed=seeds)
def test_the_box_of_a_moved_mask_is_the_moved_box(name, seed):
    before = sample(seed)
    after = GEOMETRIC[name](before, key=seed)
    for plane, box in zip(after["mask"].array, after["boxes"].array, strict=True):
        if not plane.any() or (box[2:] - box[:2]).min() < 2:
            continue
        moved = mask_box(plane)
        slack = 2.0 if name == "Compose" else 1.0  # of two members, each rounds by up to a pixel
        assert (box[:2] <= moved[:2] + slack).all()
        assert (box[2:] >= moved[2:] - slack).all()
        if name in ("RandomRotation", "RandomAffine", "RandomPerspective", "Compose"):
            slack = 2.5  # near a turned corner the mask is thinner than a pixel, and "nearest" may miss it
        np.testing.assert_allclose(moved, box, atol=slack)


@each_geometric
@few
@given(seed=seeds)
def test_the_inverse_brings_leaves_back(name, seed):
    transform, before = GEOMETRIC[name], sample(seed, clamping_mode=None)
    params = transform.params(before, key=seed)
    after = transform.replay(before, params)
    leaves = {key: after[key] for key in ("boxes", "points", "mask")}
    back = transform.inverse(leaves, through_json(params), size=SIZE)
    assert back["boxes"].canvas_size == back["points"].canvas_size == F.get_size(back["mask"]) == SIZE
    np.testing.assert_allclose(back["points"].array, before["points"].array, atol=1e-2)
    upright = name not in ("RandomRotation", "RandomAffine", "RandomPerspective", "Compose")
    kept = (after["boxes"].array != 0).any(-1)  # RandomIoUCrop makes boxes zero whose centre it cut off
    if upright:
        np.testing.assert_allclose(back["boxes"].array[kept], before["boxes"].array[kept], atol=1e-2)
    else:  # a box around a turned box is larger
        assert (back["boxes"].array[:, :2] <= before["boxes"].array[:, :2] + 0.01).all()
        assert (back["boxes"].array[:, 2:] >= before["boxes"].array[:, 2:] - 0.01).all()
    inside = after["mask"].array.any((1, 2)) & (before["mask"].array.sum((1, 2)) > 60) & kept
    for old, new, seen in zip(before["mask"].array, back["mask"].array, inside, strict=True):
        if seen and new.any():
            assert (mask_box(new) >= mask_box(old) - 3).all() or (new <= old).mean() > 0.9


@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "RandomResizedCrop", "RandomAffine", "RandomPerspective",
                                  "RandomZoomOut", "ScaleJitter", "Compose"])
def test_the_inverse_of_a_batch(name):
    transform, (samples, _, results, params) = GEOMETRIC[name], one_by_one(name)
    leaves = {entry: stacked(results)[entry] for entry in ("points", "mask")}
    back = jax.jit(jax.vmap(lambda x, params: transform.inverse(x, params, size=SIZE)))(leaves, stacked(params))
    np.testing.assert_allclose(back["points"].array, stacked(samples)["points"].array, atol=2e-2)
    assert back["mask"].array.shape == (3, 2, *SIZE)


def test_the_inverse_of_colours():
    before = sample()
    for name in ("ColorJitter", "GaussianBlur", "CoarseDropout", "ToDtype", "CLAHE", "RandomInvert"):
        transform = EVERY[name]
        params = transform.params(before, key=0)
        assert transform.inverse(before["boxes"], params) is before["boxes"]
        with pytest.raises(ValueError, match="changes colours, which cannot be restored"):
            transform.inverse(before["image"], params)
    both = T.Compose([T.ColorJitter(0.3), T.RandomHorizontalFlip(1.0), T.SanitizeBoundingBoxes(), T.Resize((5, 9))])
    params = both.params(before, key=1)
    back = both.inverse(both.replay(before, params)["points"], params, size=SIZE)
    np.testing.assert_allclose(back.array, before["points"].array, atol=1e-4)
    device = sample(device=True)
    params = EVERY["RandomInvert"].params(device, key=jax.random.key(0))
    assert EVERY["RandomInvert"].inverse(device["points"], params) is device["points"]


def test_the_inverse_of_containers():
    before = sample()
    for name in ("RandomApply", "RandomChoice"):
        for key in range(4):
            params = EVERY[name].params(before, key=key)
            after = EVERY[name].replay(before, params)
            back = EVERY[name].inverse(after["boxes"], params)
            np.testing.assert_allclose(back.array, before["boxes"].array)
    order = T.RandomOrder([T.Resize((12, 40)), T.RandomCrop((12, 20), pad_if_needed=True)])
    params = order.params(before, key=0)
    back = order.inverse(order.replay(before, params)["points"], params, size=SIZE)
    np.testing.assert_allclose(back.array, before["points"].array, atol=1e-4)


def test_there_is_no_inverse():
    before = sample()
    (elastic,) = ELASTIC.values()
    with pytest.raises(ValueError, match="moves the leaves of a sample, and defines no inverse"):
        elastic.inverse(before["boxes"], elastic.params(before, key=0))
    with pytest.raises(ValueError, match=r"needs size=\(height, width\)"):
        T.Resize((3, 4)).inverse(T.Resize((3, 4))(before)["boxes"], {})
    with pytest.raises(ValueError, match=r"the sample has size \(3, 4\)"):
        T.Compose([T.Resize((3, 4)), T.Resize((5, 4))]).inverse(T.Resize((3, 4))(before)["boxes"], ({}, {}), size=SIZE)
    with pytest.raises(ValueError, match="has no inverse"):
        T.Mosaic(8).inverse(Image(np.zeros((8, 8, 3), np.uint8)), {"center": [4, 4]})
    around = T.RandomRotation(9.0, expand=True, center=(1, 2))
    with pytest.raises(ValueError, match="has no inverse"):
        around.inverse(before["boxes"], {"angle": 3.0}, size=SIZE)


def test_the_inverse_of_an_expanded_rotation():
    before = sample(clamping_mode=None)
    for angle in (90.0, 31.0):
        turn = T.RandomRotation(180.0, expand=True)
        after = turn.replay(before, {"angle": angle})
        back = turn.inverse(after["points"], {"angle": angle}, size=SIZE)
        assert back.canvas_size == SIZE
        np.testing.assert_allclose(back.array, before["points"].array, atol=1.5)
