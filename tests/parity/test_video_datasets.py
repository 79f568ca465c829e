"""Clips and data sets of videos against torchvision's.

Torchvision 0.28 reads no videos without torchcodec. Its clips are computed from metadata that are given, and its data
sets list files, labels and splits; both are compared here.
"""

import inspect

import numpy as np
import pytest
import torch
import torchvision.datasets as theirs
from torchvision.datasets.samplers import RandomClipSampler, UniformClipSampler
from torchvision.datasets.video_utils import VideoClips

import funcvision.vision.datasets as ours
from tests.vision.datasets.action_videos import write_hmdb51, write_kinetics, write_ucf101

pytest.importorskip("av")
pytestmark = pytest.mark.filterwarnings("ignore:.*(enough frames|fewer than).*:UserWarning")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "home"))


def metadata(seed):
    """Metadata of videos of random lengths and rates, for us and for torchvision."""
    random = np.random.default_rng(seed)
    pts = [np.cumsum(random.integers(1, 900, count)) for count in (0, 3, 50, 17, 120)]
    rates = [None, 30.0, 29.97, float(random.uniform(5, 60)), 25.0]
    paths = [f"{i}.mp4" for i in range(len(pts))]
    mine = {"video_paths": paths, "video_pts": pts, "video_fps": rates}
    return mine, mine | {"video_pts": [torch.as_tensor(times) for times in pts]}


@pytest.mark.parametrize("rate", [None, 30, 15.0, 7.5, 12, 50, 24.7])
@pytest.mark.parametrize(("frames", "step"), [(1, 1), (5, 1), (8, 3), (16, 16), (4, 40)])
def test_clips(frames, step, rate):
    mine, other = metadata(frames + step)
    found = ours.VideoClips([], frames, step, rate, _precomputed_metadata=mine)
    expected = VideoClips([], frames, step, rate, _precomputed_metadata=other)
    assert (len(found), found.cumulative_sizes) == (len(expected), expected.cumulative_sizes)
    for i in range(5):
        np.testing.assert_array_equal(found.clips[i], expected.clips[i].numpy())
        np.testing.assert_array_equal(found.clips[i], mine["video_pts"][i][found.resampling_idxs[i]])
    for i in range(len(expected)):
        assert found.get_clip_location(i) == expected.get_clip_location(i)
    part, their_part = found.subset([3, 2]), expected.subset([3, 2])
    assert (part.cumulative_sizes, part.video_paths) == (their_part.cumulative_sizes, their_part.video_paths)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30])
def test_samplers(count):
    mine, other = metadata(0)
    found = ours.VideoClips([], 5, 3, _precomputed_metadata=mine)
    expected = VideoClips([], 5, 3, _precomputed_metadata=other)
    uniform, their_uniform = ours.UniformClipSampler(found, count), UniformClipSampler(expected, count)
    assert uniform(0).tolist() == [*their_uniform]
    assert len(uniform) == len(their_uniform)
    random, their_random = ours.RandomClipSampler(found, count), RandomClipSampler(expected, count)
    assert len(random) == len(their_random) == len(random(0)) == len([*their_random])
    videos = [found.get_clip_location(i)[0] for i in random(0)]
    assert sorted(videos) == sorted(expected.get_clip_location(i)[0] for i in their_random)


def without_private(names):
    return [name for name in names if not name.startswith("_video") and not name.startswith("_audio")]


@pytest.mark.parametrize("name", ["HMDB51", "Kinetics", "UCF101", "VideoClips"])
def test_arguments_have_torchvisions_names_and_order(name):
    mine, other = getattr(ours, name), VideoClips if name == "VideoClips" else getattr(theirs, name)
    found, expected = (inspect.signature(one).parameters for one in (mine, other))
    assert [*found] == without_private(expected)
    for one in set(found) - {"output_format"}:  # Kinetics of torchvision has the channels first
        assert found[one].default == expected[one].default


def assert_same_lists(found, expected):
    assert (found.classes, found.samples) == (expected.classes, expected.samples)
    if hasattr(expected, "indices"):
        assert found.indices == expected.indices
    assert found.video_clips.video_paths == expected.video_clips.video_paths
    assert len(found) == len(expected)
    assert repr(found) == repr(expected)


def as_tensors(metadata):
    return metadata | {"video_pts": [torch.as_tensor(np.asarray(times, np.int64)) for times in metadata["video_pts"]]}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("fold", [1, 2])
@pytest.mark.parametrize(("name", "write"), [("HMDB51", write_hmdb51), ("UCF101", write_ucf101)])
def test_data_sets_with_lists(tmp_path, name, write, fold, train):
    arguments = [*map(str, write(tmp_path)), 5, 4]
    options = {"fold": fold, "train": train, "frame_rate": 20}
    found = getattr(ours, name)(*arguments, **options)
    expected = getattr(theirs, name)(*arguments, **options, _precomputed_metadata=as_tensors(found.metadata))
    assert_same_lists(found, expected)


def test_kinetics(tmp_path):
    root = str(write_kinetics(tmp_path))
    found = ours.Kinetics(root, 5, split="val", step_between_clips=2)
    metadata = as_tensors(found.metadata)
    expected = theirs.Kinetics(root, 5, split="val", step_between_clips=2, _precomputed_metadata=metadata)
    assert_same_lists(found, expected)
    assert found.split_folder == expected.split_folder
    for table in ("_TAR_URLS", "_ANNOTATION_URLS"):
        assert getattr(ours.Kinetics, table) == getattr(theirs.Kinetics, table)


def test_tables_of_hmdb51():
    for table in ("data_url", "splits", "TRAIN_TAG", "TEST_TAG"):
        assert getattr(ours.HMDB51, table) == getattr(theirs.HMDB51, table)
