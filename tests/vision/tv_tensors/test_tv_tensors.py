"""The typed leaves: pytrees whose metadata is static, checked where it is given."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision.data import ArrayDataset, DataLoader
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video

LEAVES = [
    Image(np.ones((4, 5, 3), np.float32)),
    Video(np.ones((2, 4, 5, 3), np.float32)),
    Mask(np.ones((4, 5), np.float32)),
    BoundingBoxes(np.ones((2, 5), np.float32), format="XYWHR", canvas_size=(4, 5), clamping_mode=None,
                  valid=np.array([True, False])),
    KeyPoints(np.ones((2, 2), np.float32), canvas_size=(4, 5), visible=np.array([1, 2])),
]


def name(leaf):
    return type(leaf).__name__


def metadata(leaf):
    return jax.tree.structure(leaf)


@pytest.mark.parametrize("leaf", LEAVES, ids=name)
def test_leaves_pass_through_jax(leaf):
    add = lambda leaf: leaf.replace(array=leaf.array + 1)
    for result in (
        jax.jit(add)(leaf), jax.device_put(add(leaf), jax.devices()[0]),
        jax.tree.map(lambda x: x[0], jax.vmap(add)(jax.tree.map(lambda x: np.stack([x, x]), leaf))),
        jax.eval_shape(add, leaf),
    ):
        assert type(result) is type(leaf)
        assert metadata(result) == metadata(leaf)
        assert (result.shape, result.ndim, result.dtype) == (leaf.shape, leaf.ndim, leaf.dtype)
    assert (jax.jit(add)(leaf).array == 2).all()
    gradient = jax.grad(lambda array: (leaf.replace(array=array).array ** 2).sum())(jnp.asarray(leaf.array))
    assert (gradient == 2).all()


@pytest.mark.parametrize("leaf", LEAVES, ids=name)
def test_placeholders_are_not_looked_at(leaf):
    for placeholder in (object(), None, np.zeros(())):
        empty = jax.tree.unflatten(jax.tree.structure(leaf), [placeholder] * len(jax.tree.leaves(leaf)))
        assert empty.array is placeholder
        assert repr(empty).startswith(f"{name(leaf)}(array=")
    assert jax.tree.map(lambda x: x.shape, leaf, is_leaf=lambda x: x is leaf) == leaf.shape


@pytest.mark.parametrize("leaf", LEAVES, ids=name)
def test_leaves_pickle_and_copy(leaf):
    for twin in (pickle.loads(pickle.dumps(leaf)), copy.deepcopy(leaf)):
        assert repr(twin) == repr(leaf)
        jax.tree.map(np.testing.assert_array_equal, twin, leaf)
    with pytest.raises(AttributeError):
        leaf.array = 3


def test_leaves_come_out_of_a_loader():
    images = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    dataset = ArrayDataset((Image(images), np.arange(4)))
    image, label = dataset[2]
    assert isinstance(image, Image)
    assert label == 2
    batches = list(DataLoader(dataset, 2, device=jax.devices()[0]))
    assert [type(image) for image, _ in batches] == [Image, Image]
    np.testing.assert_array_equal(np.concatenate([image.array for image, _ in batches]), images)


def test_static_metadata_compiles_anew_and_differs_in_structure():
    calls = []

    @jax.jit
    def area(boxes):
        calls.append(boxes.canvas_size)
        return boxes.array.sum() / boxes.canvas_size[0]

    one = BoundingBoxes(jnp.ones((2, 4)), canvas_size=(4, 5))
    area(one), area(one.replace(array=jnp.zeros((2, 4)))), area(one.replace(canvas_size=[8, 5]))
    assert calls == [(4, 5), (8, 5)]
    with pytest.raises(ValueError, match=r"XYWH"):
        jax.tree.map(lambda a, b: a, one, one.replace(format="xywh"))


def test_metadata_is_normalised():
    boxes = BoundingBoxes(np.zeros((1, 4)), format="cxcywh", canvas_size=[np.int64(4), 5])
    assert (boxes.format, boxes.canvas_size) == ("CXCYWH", (4, 5))
    assert type(boxes.canvas_size[0]) is int
    assert repr(boxes) == (
        "BoundingBoxes(array=float64[1, 4], format='CXCYWH', canvas_size=(4, 5), clamping_mode='soft', valid=None)"
    )
    assert repr(KeyPoints(jnp.zeros((1, 2)), canvas_size=(4, 5), valid=np.ones(1, bool))) == (
        "KeyPoints(array=float32[1, 2], canvas_size=(4, 5), visible=None, valid=bool[1])"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BoundingBoxes(0, format="XYZ", canvas_size=(1, 1)), "format='XYZ' is no format .* XYXY, XYWH, CXCYWH"),
        (lambda: BoundingBoxes(0, format=None, canvas_size=(1, 1)), "format=None"),
        (lambda: BoundingBoxes(0, canvas_size=(1, 0)), r"canvas_size=\(1, 0\) is not \(height, width\), two positive"),
        (lambda: BoundingBoxes(0, canvas_size=5), "canvas_size=5 is not"),
        (lambda: BoundingBoxes(0, canvas_size=(1.5, 2)), r"canvas_size=\(1.5, 2\)"),
        (lambda: BoundingBoxes(0, canvas_size=(1, 1), clamping_mode="firm"), "clamping_mode='firm' is not 'soft'"),
        (lambda: KeyPoints(0, canvas_size=(1, 2, 3)), r"canvas_size=\(1, 2, 3\)"),
    ],
)
def test_wrong_metadata_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
