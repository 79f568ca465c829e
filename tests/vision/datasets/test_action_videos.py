"""HMDB51, UCF101 and Kinetics."""

import io
import pickle
import tarfile

import numpy as np
import pytest

from funcvision.vision import tv_tensors
from funcvision.vision.datasets import HMDB51, UCF101, Kinetics, _video_index, typed
from tests.vision.io.video_files import numbers_of
from tests.vision.loopback import serve

from .action_videos import KINETICS, video, write_hmdb51, write_kinetics, write_ucf101

pytest.importorskip("av")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "home"))


def contents(dataset):
    """(the number of the first frame, the label) of every clip."""
    return [(numbers_of(frames)[0], label) for frames, _, label in (dataset[i] for i in range(len(dataset)))]


def test_hmdb51(tmp_path):
    arguments = write_hmdb51(tmp_path)
    train, test = HMDB51(*arguments, 5, 5), HMDB51(*arguments, 5, 5, train=False)
    assert train.classes == ["brush_hair", "wave"]
    assert train.class_to_idx == {"brush_hair": 0, "wave": 1}
    assert contents(train) == [(0, 0), (5, 0), (40, 1), (45, 1)]
    assert contents(test) == [(10, 0), (15, 0), (30, 1), (35, 1)]
    assert contents(HMDB51(*arguments, 12, fold=2)) == contents(HMDB51(*arguments, 12, train=False))
    frames, audio, label = train[0]
    assert (frames.shape, frames.dtype, audio.shape, audio.dtype) == ((5, 64, 64, 3), np.uint8, (0, 1), np.float32)
    assert type(label) is int
    assert numbers_of(frames) == [*range(5)]
    assert len(train.metadata["video_paths"]) == 5
    assert repr(train).splitlines()[:2] == ["Dataset HMDB51", "    Number of datapoints: 4"]


def test_ucf101(tmp_path):
    arguments = write_ucf101(tmp_path)
    assert contents(UCF101(*arguments, 6, 6)) == [(10, 0), (16, 0), (30, 1), (36, 1)]
    assert contents(UCF101(*arguments, 6, 6, train=False)) == [(0, 0), (6, 0), (20, 1), (26, 1)]
    assert contents(UCF101(*arguments, 6, 6, fold=2)) == [(20, 1), (26, 1)]
    resampled = UCF101(*arguments, 3, 3, frame_rate=12.5)
    assert numbers_of(resampled[1][0]) == [16, 18, 20]
    assert UCF101(*map(str, arguments), 6).samples[0] == (str(arguments[0] / "Archery/v_Archery_g01_c01.avi"), 0)


def test_kinetics(tmp_path):
    root = write_kinetics(tmp_path)
    (root / "val" / "riding_a_bike" / "notes.txt").write_text("no video", encoding="utf-8")
    dataset = Kinetics(root, 6, split="val", step_between_clips=6)
    assert dataset.classes == ["abseiling_roped", "riding_a_bike"]
    assert contents(dataset) == [(20, 0), (26, 0), (0, 1), (6, 1), (10, 1), (16, 1)]
    frames, audio, _ = dataset[0]
    assert (frames.shape, audio.shape, audio.dtype) == ((6, 64, 64, 3), (1920, 1), np.float32)
    np.testing.assert_allclose(audio, 0.25, atol=1e-4)
    assert contents(Kinetics(root / "val", 6, step_between_clips=6, _legacy=True)) == contents(dataset)


def test_transforms_metadata_and_pickles(tmp_path, monkeypatch):
    arguments = write_ucf101(tmp_path)
    dataset = UCF101(*arguments, 6, 6, transform=np.mean)
    assert isinstance(dataset[0][0], float)
    assert pickle.loads(pickle.dumps(dataset))[1][0] == dataset[1][0]
    monkeypatch.setattr(_video_index, "_read", None)  # nothing is read again
    again = UCF101(*arguments, 3, _precomputed_metadata=dataset.metadata, train=False)
    assert (len(again), numbers_of(again[1][0])) == (20, [1, 2, 3])


def test_keys_reach_transforms(tmp_path):
    def transform(frames, key):
        return int(np.random.default_rng(key).integers(10**9))

    dataset = UCF101(*write_ucf101(tmp_path), 6, 6, transform=transform)
    assert dataset.load_sample(0, key=5)[0] == dataset.load_sample(1, key=5)[0]
    assert dataset.load_sample(0, key=5)[0] != dataset.load_sample(0, key=6)[0]


def test_typed(tmp_path):
    sample = typed(Kinetics(write_kinetics(tmp_path), 6, split="val"))[0]
    assert isinstance(sample["video"], tv_tensors.Video)
    assert (sample["video"].shape, sample["audio"].shape, sample["label"]) == ((6, 64, 64, 3), (1920, 1), 0)


def test_errors(tmp_path):
    (tmp_path / "h").mkdir()
    (tmp_path / "u").mkdir()
    videos, lists = write_hmdb51(tmp_path / "h")
    with pytest.raises(ValueError, match="fold=4 must be 1, 2 or 3"):
        HMDB51(videos, lists, 5, fold=4)
    with pytest.raises(FileNotFoundError, match=r"HMDB51 needs the lists \*test_split3\.txt .* unpack https://"):
        HMDB51(videos, lists, 5, fold=3)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        HMDB51(tmp_path / "nowhere", lists, 5)
    (lists / "wave_test_split1.txt").write_text("a.avi one\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"wave_test_split1\.txt, line 1: expected a file name and a number"):
        HMDB51(videos, lists, 5)
    videos, lists = write_ucf101(tmp_path / "u")
    with pytest.raises(FileNotFoundError, match=r"UCF101 needs .*testlist03\.txt: unpack UCF101TrainTestSplits"):
        UCF101(videos, lists, 5, fold=3, train=False)
    with pytest.raises(ValueError, match="output_format='TCHW' must be 'THWC'"):
        UCF101(videos, lists, 5, output_format="TCHW")
    for options, message in (({"num_classes": "500"}, "num_classes='500'"), ({"split": "dev"}, "split='dev'")):
        with pytest.raises(ValueError, match=message):
            Kinetics(tmp_path, 5, **options)
    with pytest.raises(FileNotFoundError, match=r"train, with a folder of videos .* pass download=True"):
        Kinetics(tmp_path, 5)
    with pytest.raises(ValueError, match="_legacy=True excludes download=True"):
        Kinetics(tmp_path, 5, download=True, _legacy=True)


def tar(names):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for k, name in enumerate(names):
            content = video(10 * k, kind="h264.mp4")
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("workers", [1, 2])
def test_kinetics_is_downloaded(tmp_path, monkeypatch, workers):
    bike, rope = KINETICS["riding a bike"], KINETICS["abseiling (roped)"]
    rows = [
        f"{label},{name[:11]},{int(name[12:18])},{int(name[19:25])},val,0"
        for label, names in KINETICS.items() for name in names
    ]  # fmt: skip
    files = {
        "part_0.tar.gz": tar(bike), "part_1.tar.gz": tar(rope),
        "val.csv": "\n".join(["label,youtube_id,time_start,time_end,split,is_cc", *rows]).encode(),
    }  # fmt: skip
    with serve(files) as server:
        files["k400_val_path.txt"] = "\n".join(server.url(f"part_{i}.tar.gz") for i in (0, 1)).encode()
        monkeypatch.setattr(Kinetics, "_TAR_URLS", {"400": server.url("k400_{split}_path.txt")})
        monkeypatch.setattr(Kinetics, "_ANNOTATION_URLS", {"400": server.url("{split}.csv")})
        options = {"split": "val", "download": True, "num_download_workers": workers}
        second = files.pop("part_1.tar.gz")
        with pytest.raises(OSError, match=r"part_1\.tar\.gz"):
            Kinetics(tmp_path, 6, **options)
        files["part_1.tar.gz"] = second
        asked = len(server.requests)
        dataset = Kinetics(tmp_path, 6, **options)
        assert not any("part_0" in path for path, _ in server.requests[asked:])
        assert dataset.classes == ["abseiling_roped", "riding_a_bike"]
        assert [path[-29:] for path, _ in dataset.samples] == sorted(rope) + sorted(bike)
        asked = len(server.requests)
        assert len(Kinetics(tmp_path, 6, **options)) == len(dataset)
        assert len(server.requests) == asked
