"""Data sets of optical flow and stereo against torchvision's, on small trees of files in the published formats."""

import itertools
import random

import numpy as np
import pytest
import torchvision.datasets as theirs

import funcvision.vision.datasets as ours
from tests.vision.datasets.layouts import flow, stereo

pytestmark = [  # torchvision leaves files open
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PASSES = [{"pass_name": one} for one in ("clean", "final", "both")]
SPLITS = [{"split": "train"}, {"split": "test"}]


def combined(*choices: list[dict]) -> list[dict]:
    """Every combination of options, and no options."""
    return [{}] + [{k: v for one in combination for k, v in one.items()} for combination in itertools.product(*choices)]


FLOWS = {
    "KittiFlow": (flow.make_kitti_flow, combined(SPLITS)),
    "Sintel": (flow.make_sintel, combined(SPLITS, PASSES)),
    "FlyingChairs": (flow.make_flying_chairs, combined([{"split": "train"}, {"split": "val"}])),
    "FlyingThings3D": (
        flow.make_flying_things, combined(SPLITS, PASSES, [{"camera": one} for one in ("left", "right", "both")]),
    ),
    "HD1K": (flow.make_hd1k, combined(SPLITS)),
}  # fmt: skip
CALIBRATIONS = [{"calibration": one} for one in ("perfect", "imperfect", "both")]
STEREOS = {
    "CarlaStereo": (stereo.make_carla_stereo, [{}]),
    "Kitti2012Stereo": (stereo.make_kitti_2012_stereo, combined(SPLITS)),
    "Kitti2015Stereo": (stereo.make_kitti_2015_stereo, combined(SPLITS)),
    "Middlebury2014Stereo": (
        stereo.make_middlebury_2014_stereo,
        [
            *combined([{"split": "train"}, {"split": "additional"}], CALIBRATIONS),
            {"split": "test", "calibration": None},
        ],
    ),
    "CREStereo": (stereo.make_crestereo, [{}]),
    "FallingThingsStereo": (
        stereo.make_falling_things_stereo, combined([{"variant": one} for one in ("single", "mixed", "both")]),
    ),
    "SceneFlowStereo": (
        stereo.make_scene_flow_stereo,
        combined([{"variant": one} for one in ("FlyingThings3D", "Driving", "Monkaa")], PASSES),
    ),
    "SintelStereo": (stereo.make_sintel_stereo, combined(PASSES)),
    "InStereo2k": (stereo.make_instereo2k, combined(SPLITS)),
    "ETH3DStereo": (stereo.make_eth3d_stereo, combined(SPLITS)),
}  # fmt: skip


def assert_same_sample(found, expected):
    """Asserts equal images, arrays and masks; torchvision's arrays of three axes have the channels first."""
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        if other is None:
            assert mine is None
        elif isinstance(other, np.ndarray):
            other = np.moveaxis(other, 0, -1) if other.ndim == 3 else other
            assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
            np.testing.assert_array_equal(mine, other)
        else:
            assert (mine.mode, mine.size) == (other.mode, other.size)
            assert mine.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", list(FLOWS) + list(STEREOS))
def test_every_option(tmp_path, name):
    make, choices = (FLOWS | STEREOS)[name]
    make(tmp_path)
    for options in choices:
        found, expected = getattr(ours, name)(tmp_path, **options), getattr(theirs, name)(tmp_path, **options)
        assert len(found) == len(expected) > 0
        assert repr(found) == repr(expected)
        images = found.images
        order = range(len(expected))
        if name == "Sintel":  # torchvision's order is that of the file system
            order = [expected._image_list.index(list(pair)) for pair in images]
        for i, j in enumerate(order):
            assert_same_sample(found[i], expected[j])


@pytest.mark.parametrize("name", list(FLOWS))
def test_transforms_of_flow(tmp_path, name):
    FLOWS[name][0](tmp_path)

    def swap(first, second, flow, mask):
        return second, first, -flow, np.ones(3) if mask is None else mask

    found = getattr(ours, name)(tmp_path, transforms=swap)[0]
    expected = getattr(theirs, name)(tmp_path, transforms=swap)
    if name != "Sintel":
        assert_same_sample(found, expected[0])
    assert len(found) == 4


@pytest.mark.parametrize("name", list(STEREOS))
def test_transforms_of_stereo(tmp_path, name):
    STEREOS[name][0](tmp_path)

    def swap(images, disparities, masks):
        return images[::-1], disparities[::-1], (np.ones(3), masks[1])

    found, expected = (getattr(one, name)(tmp_path, transforms=swap)[0] for one in (ours, theirs))
    assert_same_sample(found, expected)


def test_ambient_views(tmp_path):
    stereo.make_middlebury_2014_stereo(tmp_path)
    found = ours.Middlebury2014Stereo(tmp_path, use_ambient_views=True)
    expected = theirs.Middlebury2014Stereo(tmp_path, use_ambient_views=True)
    index = next(i for i, (left, _) in enumerate(found.images) if "Piano" in left)
    random.seed(0)
    views = {expected[index][1].tobytes() for _ in range(30)}
    assert {found[index][1].tobytes() for _ in range(60)} == views
    assert len(views) == 3
    seeded = [found.load_sample(index, key=seed)[1].tobytes() for seed in range(20)]
    assert seeded == [found.load_sample(index, key=seed)[1].tobytes() for seed in range(20)]
    assert len(set(seeded)) == 3
    assert ours.Middlebury2014Stereo.splits == theirs.Middlebury2014Stereo.splits


def test_several_epochs(tmp_path):
    flow.make_hd1k(tmp_path)
    found, expected = 3 * ours.HD1K(tmp_path), 3 * theirs.HD1K(tmp_path)
    assert len(found) == len(expected)
