"""Video classifiers against torchvision's."""

import jax
import numpy as np
import pytest
import torch
import torchvision
from torchvision.models import video as reference
from torchvision.models.video.s3d import SepInceptionBlock3D as TheirBlock

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import video
from funcvision.vision.models.video.s3d import SepInceptionBlock3D
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import random

NAMES = models.list_models("video")
RESNETS = {
    "r3d_18": (video.resnet.Conv3DSimple, reference.resnet.Conv3DSimple),
    "mc3_18": (video.resnet.Conv3DNoTemporal, reference.resnet.Conv3DNoTemporal),
    "r2plus1d_18": (video.resnet.Conv2Plus1D, reference.resnet.Conv2Plus1D),
}


def _small_pair(name, block):
    """One block in each stage."""
    ours_conv, theirs_conv = RESNETS[name]
    stem = "R2Plus1dStem" if name == "r2plus1d_18" else "BasicStem"
    own_stem = video.resnet._separated_stem if name == "r2plus1d_18" else video.resnet._stem
    theirs = reference.VideoResNet(
        getattr(reference.resnet, block), [theirs_conv] * 4, [1, 1, 1, 1], getattr(reference.resnet, stem), 5
    )
    return video.VideoResNet(getattr(video.resnet, block), [ours_conv] * 4, (1, 1, 1, 1), own_stem, 5), theirs


@pytest.mark.parametrize(("name", "block", "train"), [
    ("r3d_18", "BasicBlock", True), ("mc3_18", "BasicBlock", False), ("r2plus1d_18", "BasicBlock", True),
    ("r3d_18", "Bottleneck", False),
])  # fmt: skip
def test_resnets(name, block, train):
    """The rest runs with `-m slow`: compilation takes long."""
    clips = random(0, 2, 4, 13, 11, 3)
    assert_layer_equal(
        *_small_pair(name, block), [clips], dtype="float64", train=train, channels_last=True, rtol=1e-8
    )


@pytest.mark.slow
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_whole_models(name, train):
    options = {"dropout": 0.0} if name == "s3d" else {}
    options |= {"stochastic_depth_prob": 0.0} if name.startswith(("swin3d", "mvit")) else {}
    options |= {"dropout": 0.0} if name.startswith("mvit") else {}
    ours = models.get_model(name, num_classes=5, **options)
    theirs = getattr(reference, name)(num_classes=5, **({} if name.startswith("swin3d") else options))
    for module in theirs.modules():  # torchvision's builders of swin3d have this probability fixed
        if isinstance(module, torchvision.ops.StochasticDepth):
            module.p = 0.0
    sizes = {"s3d": (1, 14, 224, 224, 3), "mvit_v1_b": (1, 16, 224, 224, 3), "mvit_v2_s": (1, 16, 224, 224, 3)}
    clips = random(0, *sizes.get(name, (2, 6, 33, 41, 3)))
    assert_layer_equal(ours, theirs, [clips], dtype="float64", train=train, channels_last=True, rtol=1e-8)


@pytest.mark.parametrize(("clip", "train"), [((2, 7, 29, 37, 3), True), ((1, 3, 17, 50, 3), False)])
def test_swin(clip, train):
    """Two stages; a clip of whole and of cut windows, and one that is shorter than a window."""
    sizes = {"embed_dim": 8, "depths": [2, 2], "num_heads": [2, 4], "window_size": [2, 3, 3], "num_classes": 5}
    sizes |= {"patch_size": [2, 4, 4], "stochastic_depth_prob": 0.0}
    ours = video.SwinTransformer3d(**sizes)
    theirs = reference.SwinTransformer3d(**sizes)
    assert_layer_equal(
        ours, theirs, [random(0, *clip)], dtype="float64", train=train, channels_last=True, rtol=1e-8
    )


@pytest.mark.parametrize(("version", "train"), [(1, True), (2, False)])
def test_mvit(version, train):
    """Blocks that pool queries and ones that do not, keys pooled more than queries, and more channels."""
    second = version == 2
    rows = [
        (1, 8, 8, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 4, 4]), (2, 8, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 2, 2]),
        (2, 16, 16, [], [3, 3, 3], [], [1, 2, 2]), (2, 16, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1]),
    ]
    options = {
        "residual_pool": second, "residual_with_cls_embed": version == 1, "rel_pos_embed": second,
        "proj_after_attn": second, "dropout": 0.0, "num_classes": 5, "spatial_size": (16, 32), "temporal_size": 4,
    }
    ours = video.MViT(block_setting=[video.mvit.MSBlockConfig(*row) for row in rows], **options)
    theirs = reference.MViT(block_setting=[reference.mvit.MSBlockConfig(*row) for row in rows], **options)
    assert_layer_equal(
        ours, theirs, [random(0, 1, 4, 16, 32, 3)], dtype="float64", train=train, channels_last=True, rtol=1e-8
    )


def test_mvit_says_which_clips_it_takes():
    model = models.get_model("mvit_v2_s", spatial_size=(64, 64), temporal_size=4)
    with pytest.raises(ValueError, match=r"takes clips of \(time, height, width\) = \(4, 64, 64\)"):
        jax.eval_shape(model.apply, *jax.eval_shape(model.init, jax.random.key(0)), np.zeros((1, 4, 32, 32, 3)))


@pytest.mark.parametrize("train", [False, True])
def test_the_block_of_s3d(train):
    numbers = (6, 4, 3, 5, 2, 3, 4)
    ours = SepInceptionBlock3D(*numbers, norm_layer=nn.BatchNorm3d)
    theirs = TheirBlock(*numbers, norm_layer=torch.nn.BatchNorm3d)
    assert_layer_equal(
        ours, theirs, [random(0, 2, 4, 6, 5, 6)], dtype="float64", train=train, channels_last=True, rtol=1e-8
    )


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes(name):
    with torch.device("meta"):
        theirs = getattr(reference, name)(num_classes=7)
    declared = models.get_model(name, num_classes=7).declarations()
    assert {key: one.shape for key, one in declared.items()} == {
        key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_channels(name):
    model = models.get_model(name, in_channels=1)
    first = next(iter(model.declarations().values()))
    assert first.shape[1] == 1


def test_the_same_models_as_torchvision():
    assert torchvision.models.list_models(module=reference) == NAMES


def test_initial_weights():
    model = models.get_model("r3d_18", num_classes=300)
    params, _ = jax.jit(model.init)(jax.random.key(0))
    expected = reference.r3d_18(num_classes=300).state_dict()
    for name in ("stem.0.weight", "layer2.0.conv1.0.weight", "fc.weight"):
        assert np.isclose(np.std(params[name]), expected[name].std(), rtol=0.05), name
    assert not np.any(params["fc.bias"])


@pytest.mark.parametrize("name", NAMES)
def test_preset(name):
    theirs = torchvision.models.get_model_weights(name).DEFAULT
    entry = models.weights(name)[theirs.name]
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, 150, 181, 3), np.uint8)
    expected = theirs.transforms()(torch.from_numpy(clips).permute(0, 1, 4, 2, 3)).permute(0, 2, 3, 4, 1)
    error = np.abs(entry.transforms()(clips) - expected.numpy())
    assert error.max() < 0.02  # a level of uint8
    assert np.mean(error > 1e-5) < 0.01


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in ("r3d_18", "r2plus1d_18", "mc3_18") else pytest.mark.slow) for name in NAMES
])
def test_operations(name):
    """torchvision counts them for 16 frames of the published size."""
    entry = models.find_weights(name, "DEFAULT")
    clip = jax.ShapeDtypeStruct((1, 16, *entry.preset_options["crop_size"], 3), "float32")
    assert models.count_operations(models.get_model(name), clip) / 1e9 == pytest.approx(entry.gflops, abs=6e-4)


def test_zero_init_residual():
    """torchvision's own fails for bottlenecks, since its norms have other names there."""
    for block, zeros in (("BasicBlock", 0), ("Bottleneck", 4)):
        model = video.VideoResNet(
            getattr(video.resnet, block), [video.resnet.Conv3DNoTemporal] * 4, (1, 1, 1, 1), video.resnet._stem, 5, True
        )
        params, _ = jax.jit(model.init)(jax.random.key(0))
        found = [name for name, array in params.items() if name.endswith("1.weight") and not np.any(array)]
        assert len(found) == zeros
        assert all(name.endswith("conv3.1.weight") for name in found)


def test_s3d_says_which_clips_it_takes():
    model = models.get_model("s3d")
    arrays = jax.eval_shape(model.init, jax.random.key(0))
    with pytest.raises(ValueError, match=r"at least 14 frames of 224 x 224 pixels; got \(1, 8, 64, 64, 3\)"):
        jax.eval_shape(model.apply, *arrays, jax.ShapeDtypeStruct((1, 8, 64, 64, 3), "float32"))
