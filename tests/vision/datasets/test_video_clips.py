"""`VideoClips`, its index and its samplers."""

import os
import pickle
import warnings

import numpy as np
import pytest

from funcvision.data import DataLoader
from funcvision.vision.datasets import RandomClipSampler, UniformClipSampler, VideoClips, _video_index
from tests.vision.io.video_files import numbered_frames, numbers_of, video_bytes

pytest.importorskip("av")

SOUND = np.random.default_rng(0).uniform(-1, 1, (9600, 1)).astype(np.float32)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def paths(tmp_path):
    """Videos of 20, 12 and 30 frames; the last one has sound."""
    folder = tmp_path / "videos"
    folder.mkdir()
    contents = [
        video_bytes("h264.mp4", 20), video_bytes("mpeg4.avi", 12),
        video_bytes("h264.mkv", 30, sound=SOUND, frames=numbered_frames(60)[30:]),
    ]  # fmt: skip
    names = ["a.mp4", "b.avi", "c.mkv"]
    for name, content in zip(names, contents):
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in names]


def test_clips(paths):
    clips = VideoClips(paths, 5, 5)
    assert (len(clips), clips.num_clips(), clips.num_videos()) == (12, 12, 3)
    assert clips.cumulative_sizes == [4, 6, 12]
    assert [clips.get_clip_location(i) for i in (0, 3, 4, 5, 6, 11)] == [(0, 0), (0, 3), (1, 0), (1, 1), (2, 0), (2, 5)]
    for i, first, video in [(0, 0, 0), (3, 15, 0), (5, 5, 1), (7, 35, 2), (-1, 55, 2)]:
        frames, audio, info, number = clips.get_clip(i)
        assert (frames.shape, frames.dtype, number) == ((5, 64, 64, 3), np.uint8, video)
        assert numbers_of(frames) == [*range(first, first + 5)]
        if video < 2:
            assert (audio.shape, info) == ((0, 1), {"video_fps": 25.0})
        else:
            start = round((first - 30) * 320)
            np.testing.assert_allclose(audio, SOUND[start : start + 1600], atol=2 / 32768)
            assert info == {"video_fps": 25.0, "audio_fps": 8000}
    for outside in (12, -13):
        with pytest.raises(IndexError, match="of 12 clips"):
            clips.get_clip(outside)


def test_overlapping_and_sparse_clips(paths):
    clips = VideoClips(paths, 8, 3)
    assert clips.cumulative_sizes == [5, 7, 15]
    assert numbers_of(clips.get_clip(1)[0]) == [*range(3, 11)]
    clips.compute_clips(2, 10)
    assert clips.cumulative_sizes == [2, 4, 7]
    assert numbers_of(clips.get_clip(3)[0]) == [10, 11]


@pytest.mark.parametrize(("rate", "first", "second"), [
    (12.5, [0, 2, 4, 6], [8, 10, 12, 14]), (50, [0, 0, 1, 1], [2, 2, 3, 3]), (20, [0, 1, 2, 3], [5, 6, 7, 8]),
])  # fmt: skip
def test_resampling(paths, rate, first, second):
    clips = VideoClips(paths[:1], 4, 4, rate)
    for i, expected in enumerate((first, second)):
        frames, _, info, _ = clips.get_clip(i)
        assert numbers_of(frames) == expected
        assert info == {"video_fps": rate}


def test_subset_and_metadata(paths, monkeypatch):
    clips = VideoClips(paths, 5, 5, num_workers=2)
    part = clips.subset([2, 0])
    assert part.video_paths == [paths[2], paths[0]]
    assert (part.cumulative_sizes, part.num_frames, part.step) == ([6, 10], 5, 5)
    assert numbers_of(part.get_clip(6)[0]) == [*range(5)]
    monkeypatch.setattr(_video_index, "_read", None)  # nothing is read again
    again = VideoClips(["ignored"], 10, 10, _precomputed_metadata=clips.metadata)
    assert (again.video_paths, again.cumulative_sizes) == (paths, [2, 3, 6])
    assert numbers_of(again.get_clip(2)[0]) == [*range(10)]
    restored = pickle.loads(pickle.dumps(clips))
    assert restored.cumulative_sizes == clips.cumulative_sizes
    np.testing.assert_array_equal(restored.get_clip(4)[0], clips.get_clip(4)[0])


def test_metadata_of_torchvision_are_frame_numbers(paths):
    """Torchvision 0.28 counts frames in place of times, and knows nothing of our index."""
    metadata = {"video_paths": paths[:2], "video_pts": [np.arange(20), np.arange(12)], "video_fps": [25.0, 25.0]}
    clips = VideoClips(paths[:2], 5, 5, _precomputed_metadata=metadata)
    assert numbers_of(clips.get_clip(5)[0]) == [*range(5, 10)]
    wrong = metadata | {"video_pts": [np.arange(20), np.arange(99)]}
    with pytest.raises(ValueError, match=r"b\.avi has 12 frames, and the metadata have 99"):
        VideoClips(paths[:2], 5, 5, _precomputed_metadata=wrong).get_clip(5)
    with pytest.raises(ValueError, match="other numbers of video_paths"):
        VideoClips([], _precomputed_metadata=metadata | {"video_fps": [25.0]})


def test_the_index_is_remembered_until_a_video_changes(paths, home, monkeypatch):
    read = []

    def counting(path):
        read.append(os.path.basename(path))
        return original(path)

    original = _video_index._read
    monkeypatch.setattr(_video_index, "_read", counting)
    first = VideoClips(paths, 5)
    assert sorted(read) == ["a.mp4", "b.avi", "c.mkv"]
    read.clear()
    second = VideoClips(paths, 5)
    assert read == []
    for one, other in zip(first.video_pts, second.video_pts):
        np.testing.assert_array_equal(one, other)
    assert first.video_fps == second.video_fps
    assert numbers_of(second.get_clip(20)[0]) == numbers_of(first.get_clip(20)[0])
    with open(paths[1], "wb") as file:
        file.write(video_bytes("mpeg4.avi", 18))
    third = VideoClips(paths, 5)
    assert (read, len(third.video_pts[1])) == (["b.avi"], 18)
    read.clear()
    VideoClips(paths[1:], 5)
    assert read == []
    (index,) = (home / "videos").iterdir()
    for damage in (b"", b"PK", index.read_bytes()[:-300]):
        index.write_bytes(damage)
        read.clear()
        assert VideoClips(paths, 5).cumulative_sizes == third.cumulative_sizes
        assert len(read) == 3


def test_without_a_writable_home(paths, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "file"))
    assert len(VideoClips(paths, 5, 5)) == 12


def test_short_and_unreadable_videos(paths):
    with pytest.warns(UserWarning, match=r"1 of 3 videos have fewer than 15 frames and no clips, such as .*b\.avi"):
        clips = VideoClips(paths, 15, 15)
    assert clips.cumulative_sizes == [1, 1, 3]
    assert numbers_of(clips.get_clip(1)[0]) == [*range(30, 45)]
    with open(paths[1], "wb") as file:
        file.write(b"no video")
    with pytest.warns(RuntimeWarning, match=r"1 of 3 videos cannot be read and have no clips, such as .*b\.avi"):
        clips = VideoClips(paths, 5, 5)
    assert clips.cumulative_sizes == [4, 4, 10]
    assert clips.video_fps[1] is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(pickle.dumps(clips))
    with pytest.raises(FileNotFoundError):
        VideoClips([*paths, "nowhere.mp4"])
    assert len(VideoClips([])) == 0


def test_wrong_options(paths):
    with pytest.raises(ValueError, match="output_format='TCHW' must be 'THWC'"):
        VideoClips(paths, output_format="TCHW")
    for options in ((0, 1), (5, 0), (5, 1, 0), (5, 1, -3.0)):
        with pytest.raises(ValueError, match="all must be positive"):
            VideoClips(paths, *options)


def test_uniform_clips(paths):
    clips = VideoClips(paths, 5, 5)  # 4, 2 and 6 clips
    sampler = UniformClipSampler(clips, 3)
    assert sampler(0).tolist() == sampler(5).tolist() == [0, 1, 3, 4, 4, 5, 6, 8, 11]
    assert len(sampler) == 9


def test_random_clips(paths):
    clips = VideoClips(paths, 5, 5)
    sampler = RandomClipSampler(clips, 3, seed=4)
    orders = [sampler(epoch) for epoch in range(30)]
    assert len(sampler) == 8
    for order in orders:
        assert len(set(order.tolist())) == len(order) == 8
        assert np.bincount(np.searchsorted([4, 6, 12], order, side="right"), minlength=3).tolist() == [3, 2, 3]
    assert set(np.concatenate(orders).tolist()) == set(range(12))
    assert len({tuple(order.tolist()) for order in orders}) == 30
    np.testing.assert_array_equal(sampler(7), RandomClipSampler(clips, 3, seed=4)(7))
    assert sampler(0).tolist() != RandomClipSampler(clips, 3, seed=5)(0).tolist()


def test_samplers_in_a_loader(paths):
    clips = VideoClips(paths, 5, 5)

    class Frames:
        def __len__(self):
            return len(clips)

        def __getitem__(self, index):
            return clips.get_clip(index)[0]

    loader = DataLoader(Frames(), batch_size=3, sampler=UniformClipSampler(clips, 3))
    batches = [np.asarray(batch) for batch in loader]
    assert [batch.shape for batch in batches] == [(3, 5, 64, 64, 3)] * 3
    assert numbers_of(batches[0][2]) == [*range(15, 20)]


def test_wrong_arguments_of_samplers(paths):
    clips = VideoClips(paths, 5, 5)
    for sampler in (UniformClipSampler, RandomClipSampler):
        with pytest.raises(TypeError, match="expected VideoClips"):
            sampler([1, 2], 3)
        with pytest.raises(ValueError, match=r"clips_per_video=0 must be 1 or more"):
            sampler(clips, 0)
    with pytest.raises(ValueError, match="seed"):
        RandomClipSampler(clips, 1, seed=-1)
