"""Detectors and segmenters under jax's transformations: `jit`, `grad`, `vmap`, and `jax.export` as one program."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn
from funcvision.vision import ops
from funcvision.vision.models import detection, segmentation
from tests.vision.task_models import tiny_detector


class Features(nn.Module):
    """Two levels of a small pyramid."""

    out_channels = 16

    def __init__(self):
        self.first, self.second = nn.Conv2d(3, 16, 3, 8, 1), nn.Conv2d(16, 16, 3, 2, 1)

    def forward(self, x):
        x = self.first(x)
        return {"0": x, "1": self.second(x)}


def two_stage():
    levels = ("0", "1")
    return detection.MaskRCNN(
        Features(), 3, rpn_anchor_generator=detection.AnchorGenerator((16, 32), (0.5, 1.0)),
        box_roi_pool=ops.MultiScaleRoIAlign(levels, 3, 2), mask_roi_pool=ops.MultiScaleRoIAlign(levels, 4, 2),
        mask_head=detection.MaskRCNNHeads(16, [256]), preparation=detection.Preparation(64, 64),
        rpn_pre_nms_top_n_test=30, rpn_post_nms_top_n_test=20, rpn_pre_nms_top_n_train=30, rpn_post_nms_top_n_train=20,
        box_detections_per_img=8, box_score_thresh=0.0,
    )


class Stages(nn.Module):
    """The feature map of a segmenter."""

    def __init__(self):
        self.conv = nn.Conv2d(3, 16, 3, 4, 1)

    def forward(self, x):
        return {"out": self.conv(x)}


def segmenter():
    return segmentation.FCN(Stages(), segmentation.FCNHead(16, 4))


def images(count=2):
    return np.random.default_rng(0).random((count, 64, 64, 3), np.float32)


def inputs(model):
    """A batch for the model, or images for a segmenter."""
    if isinstance(model, segmentation.FCN):
        return jnp.asarray(images())
    boxes = np.array([[4, 4, 30, 40]], np.float32), np.array([[1, 1, 62, 63]], np.float32)  # on one level each
    objects = [{"boxes": one, "labels": [1], "masks": np.ones((1, 64, 64), np.uint8)} for one in boxes]
    return jax.tree.map(jnp.asarray, detection.batch(model, list(images()), objects))


def infer(model, params, state, given):
    return model.apply(params, state, given)[0]


MODELS = {"two stages": two_stage, "one stage": functools.partial(tiny_detector, 3), "segmenter": segmenter}


def assert_same(ours, expected):
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4), ours, expected)


@pytest.mark.parametrize("name", MODELS)
def test_export(name):
    """One program for CPU and CUDA, written and read, finds what the model finds."""
    model = MODELS[name]()
    arrays = (*model.init(jax.random.key(0)), inputs(model))
    run = jax.jit(functools.partial(infer, model))
    exported = jax.export.export(run, platforms=("cpu", "cuda"))(*jax.tree.map(lambda a: jax.typeof(a), arrays))
    again = jax.export.deserialize(exported.serialize())
    assert set(again.platforms) == {"cpu", "cuda"}
    found = again.call(*arrays)
    assert type(found) is (dict if name == "segmenter" else detection.Detections)
    assert_same(found, run(*arrays))


@pytest.mark.parametrize("name", ["two stages", "one stage"])
def test_vmap_over_parameters(name):
    """An ensemble: two models at once find what each of them finds."""
    model = MODELS[name]()
    given = inputs(model)
    run = functools.partial(infer, model)
    ensemble = [model.init(jax.random.key(seed)) for seed in range(2)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *ensemble)
    together = jax.jit(jax.vmap(run, (0, 0, None)))(*stacked, given)
    alone = jax.jit(run)
    for i, arrays in enumerate(ensemble):
        assert_same(jax.tree.map(operator.itemgetter(i), together), alone(*arrays, given))


@pytest.mark.parametrize("name", ["two stages", "one stage"])
def test_gradients_of_the_losses(name):
    """They are finite, and those of every parameter that the losses use are not zero."""
    model = MODELS[name]()
    params, state = model.init(jax.random.key(0))
    given = inputs(model)

    @jax.jit
    def gradients(params):
        def total(params):
            losses, _ = model.apply(params, state, given, train=True, key=jax.random.key(1))
            return sum(losses.values())

        return jax.grad(total)(params)

    found = gradients(params)
    assert all(np.isfinite(gradient).all() for gradient in found.values())
    zero = {name for name, gradient in found.items() if not np.any(gradient)}
    assert not zero, zero
