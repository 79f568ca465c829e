"""`VideoReader`: that every frame is the right one, wherever reading starts."""

import io
import multiprocessing
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from funcvision.vision.io import VideoReader, _frame_decoder

from .video_files import FILES, SIZE, number_of, numbered_frames, numbers_of, video_bytes

pytest.importorskip("av")


@pytest.fixture(scope="module", params=FILES)
def file(request):
    return request.param, video_bytes(request.param)


@pytest.fixture
def decoded(monkeypatch):
    """Counts the packets that are decoded."""
    counter = []

    def counting(codec, number, packet):
        counter.append(number)
        return decode(codec, number, packet)

    decode = _frame_decoder.decode
    monkeypatch.setattr(_frame_decoder, "decode", counting)
    return counter


def test_every_frame_in_order(file):
    kind, content = file
    reader = VideoReader(content)
    assert len(reader) == 40
    frames = reader[:]
    assert (frames.shape, frames.dtype) == ((40, SIZE, SIZE, 3), np.uint8)
    assert numbers_of(frames) == [*range(40)]
    assert numbers_of(np.stack([*reader])) == [*range(40)]
    assert np.abs(frames.astype(int) - numbered_frames(40)).mean() < 8
    offset = reader.timestamps[0]
    assert offset == (0.08 if kind == "h264.ts" else 0)
    np.testing.assert_allclose(reader.timestamps - offset, np.arange(40) / 25, atol=0.0011 if "web" in kind else 1e-9)
    codec, format = kind.split(".")
    about = reader.metadata
    assert (about["codec"], about["width"], about["height"], about["frames"]) == (codec, SIZE, SIZE, 40)
    assert about["fps"] == pytest.approx(25)
    assert about["duration"] == pytest.approx(1.6)
    assert (about["rotation"], about["audio_fps"], about["audio_codec"]) == (0, None, None)
    assert about["format"] == {"mp4": "mov", "mkv": "matroska", "webm": "matroska", "ts": "mpegts"}.get(format, format)


def test_random_access_is_exact_and_costs_one_group_of_pictures(file, decoded):
    kind, content = file
    frames, reader = VideoReader(content)[:], VideoReader(content)
    for number in np.random.default_rng(0).permutation(40).tolist():
        decoded.clear()
        np.testing.assert_array_equal(reader[number], frames[number])
        assert kind == "gif.gif" or len(decoded) <= 14  # a group of 10, and what is decoded before a B-frame comes out


def test_reading_on_costs_one_packet_a_frame(decoded):
    reader = VideoReader(video_bytes("vp9.webm"))
    numbers = [number_of(reader[i]) for i in range(40)]
    assert numbers == [*range(40)]
    assert len(decoded) == 40


def test_slices_and_lists():
    reader = VideoReader(video_bytes())
    for chosen in (slice(3, 30, 7), slice(None, None, -1), slice(35, 3, -4), slice(-5, None), slice(0)):
        assert numbers_of(reader[chosen]) == [*range(40)][chosen]
    assert reader[0:0].shape == (0, SIZE, SIZE, 3)
    assert numbers_of(reader[[7, 31, 7, -1]]) == [7, 31, 7, 39]
    assert number_of(reader[-1]) == number_of(reader[np.int32(39)]) == 39
    for outside in (40, -41, [3, 40]):
        with pytest.raises(IndexError, match="of a video of 40 frames"):
            reader[outside]
    with pytest.raises(TypeError, match=r"frames are numbered by ints, and got 1\.5"):
        reader[1.5]
    assert repr(reader).endswith("40 frames of 64x64, 25 fps, h264)")


def test_times():
    reader = VideoReader(video_bytes())
    assert reader.timestamps.dtype == np.float64
    assert [number_of(reader.frame_at(t)) for t in (-1, 0, 0.039, 0.04, 7 / 25, 0.2801, 99)] == [0, 0, 0, 1, 7, 7, 39]
    assert numbers_of(reader.frames_between(0.4, 0.52)) == [10, 11, 12]
    assert numbers_of(reader.frames_between(-1, 0.04)) == [0]
    assert reader.frames_between(0.41, 0.42).shape == (0, SIZE, SIZE, 3)


@pytest.mark.parametrize("kind", ["h264.mp4", "h264.mkv", "vp9.webm", "hevc.mp4"])
def test_variable_frame_rate(kind):
    ticks = np.cumsum(np.random.default_rng(1).integers(1, 9, 30)).tolist()
    ticks = [tick - ticks[0] for tick in ticks]
    reader = VideoReader(video_bytes(kind, 30, ticks=ticks))
    np.testing.assert_allclose(reader.timestamps, np.array(ticks) / 25, atol=1e-9)
    for i in (29, 3, 17):
        assert number_of(reader.frame_at(ticks[i] / 25)) == i
        assert number_of(reader.frame_at(ticks[i] / 25 - 0.01)) == i - 1
    assert reader.metadata["duration"] > ticks[-1] / 25


@pytest.mark.parametrize("kind", ["vp9.webm", "h264.ts", "h264.mp4"])
def test_negative_times(kind):
    content = video_bytes(kind, ticks=[*range(-10, 30)], muxer={"avoid_negative_ts": "disabled"})
    reader, hidden = VideoReader(content), 10 if kind == "h264.mp4" else 0  # an MP4 file hides what is before 0
    np.testing.assert_allclose(reader.timestamps, np.arange(hidden - 10, 30) / 25, atol=1e-9)
    assert numbers_of(reader[:]) == [*range(hidden, 40)]
    again = VideoReader(content)
    assert [number_of(again[i]) for i in (-1, 0, 20)] == [39, hidden, 20 + hidden]
    assert number_of(again.frame_at(0)) == 10
    assert number_of(again.frame_at(-0.3)) == max(2, hidden)


@pytest.mark.parametrize("b_frames", [0, 3])
def test_missing_times(b_frames):
    """AVI stores no times of showing, and FFmpeg's guess for H.264 has B-frames in the wrong order."""
    for codec in ("h264", "mpeg4"):
        reader = VideoReader(video_bytes(f"{codec}.avi", b_frames=b_frames))
        assert numbers_of(reader[:]) == [*range(40)]
        np.testing.assert_allclose(reader.timestamps, np.arange(40) / 25, atol=1e-9)
        assert [number_of(reader[i]) for i in (33, 5, 12)] == [33, 5, 12]


@pytest.mark.parametrize("kind", ["h264.mp4", "hevc.mp4"])
def test_open_groups_of_pictures(kind, decoded):
    """The B-frames that follow a key in the file and are shown before it need the group before."""
    option = {"h264.mp4": {"x264-params": "open-gop=1:scenecut=0"},
              "hevc.mp4": {"x265-params": "log-level=none:open-gop=1:scenecut=0"}}[kind]  # fmt: skip
    content = video_bytes(kind, options=option)
    reader = VideoReader(content)
    frames = reader[:]
    for number in np.random.default_rng(2).permutation(40).tolist():
        decoded.clear()
        np.testing.assert_array_equal(reader[number], frames[number])
        assert len(decoded) <= 16


def test_one_group_for_the_whole_file_and_keys_everywhere(decoded):
    assert number_of(VideoReader(video_bytes(group=100, options={"sc_threshold": "0"}))[37]) == 37
    decoded.clear()
    assert number_of(VideoReader(video_bytes(group=1, b_frames=0))[37]) == 37
    assert len(decoded) <= 3


EDGE = np.zeros((4, 64, 96, 3), np.uint8)
EDGE[:, :16, :, 0] = 255  # red above
EDGE[:, 16:, :32, 1] = 255  # green on the left


@pytest.mark.parametrize("mirrors", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_orientation(degrees, mirrors):
    """`set_display_rotation` turns counter-clockwise and then mirrors."""
    shown = np.rot90(EDGE[0], degrees // 90)
    shown = shown[:: -1 if mirrors[1] else 1, :: -1 if mirrors[0] else 1]
    reader = VideoReader(video_bytes(frames=EDGE, rotation=(degrees, *mirrors), options={"qp": "5"}))
    assert reader[1].shape == shown.shape
    assert np.abs(reader[1].astype(int) - shown).mean() < 6
    assert (reader.metadata["height"], reader.metadata["width"]) == shown.shape[:2]
    if not any(mirrors):
        assert reader.metadata["rotation"] == -degrees % 360


def test_sound():
    sound = np.random.default_rng(0).uniform(-1, 1, (9600, 1)).astype(np.float32)
    reader = VideoReader(video_bytes("h264.mkv", 30, sound=sound))
    whole = reader.audio()
    assert (whole.shape, whole.dtype) == ((9600, 1), np.float32)
    np.testing.assert_allclose(whole, sound, atol=2 / 32768)
    np.testing.assert_array_equal(reader.audio(0.25, 0.5), whole[2000:4000])
    np.testing.assert_array_equal(reader.audio(stop=0.1), whole[:800])
    np.testing.assert_array_equal(reader.audio(1.1), whole[8800:])
    np.testing.assert_array_equal(reader.audio(2 / 8000, 5 / 8000), whole[2:5])
    assert reader.audio(5, 6).shape == (0, 1)
    about = reader.metadata
    assert (about["audio_fps"], about["audio_channels"], about["audio_codec"]) == (8000, 1, "pcm_s16le")
    assert VideoReader(video_bytes("h264.mkv", 3)).audio().shape == (0, 1)


def test_paths_and_file_objects(tmp_path):
    path = tmp_path / "a: http, and spaces.mp4"
    path.write_bytes(video_bytes())
    for source in (path, str(path), path.read_bytes(), bytearray(path.read_bytes()), io.BytesIO(path.read_bytes())):
        assert number_of(VideoReader(source)[11]) == 11
    with open(path, "rb") as file:
        reader = VideoReader(file)
    assert number_of(reader[12]) == 12
    with pytest.raises(FileNotFoundError, match="nowhere"):
        VideoReader(tmp_path / "nowhere.mp4")
    with pytest.raises(TypeError, match="expected a path, bytes or a file object of a video, and got int"):
        VideoReader(3)
    with open(os.devnull, encoding="utf-8") as text, pytest.raises(TypeError, match="open the file for reading bytes"):
        VideoReader(text)


def test_several_threads_share_a_reader():
    reader = VideoReader(video_bytes())
    numbers = np.random.default_rng(0).integers(0, 40, 200).tolist()
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(lambda i: number_of(reader[i]), numbers)] == numbers


def test_a_closed_reader_opens_its_file_again():
    reader = VideoReader(video_bytes())
    reader.close()
    assert number_of(reader[7]) == 7
    reader.close()
    reader.close()
    assert number_of(reader[8]) == 8


def test_decoding_in_threads():
    reader = VideoReader(video_bytes("hevc.mp4"), num_threads=2)
    assert numbers_of(reader[::3]) == [*range(0, 40, 3)]
    assert number_of(reader[5]) == 5


def _number(reader, i):
    return number_of(reader[i])


@pytest.mark.parametrize("method", ["spawn"] if sys.platform == "win32" else ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*fork:RuntimeWarning")
def test_pickling_and_other_processes(tmp_path, method):
    path = tmp_path / "x.mp4"
    path.write_bytes(video_bytes())
    reader = VideoReader(path)
    assert number_of(reader[20]) == 20
    again = pickle.loads(pickle.dumps(reader))
    assert (number_of(again[21]), number_of(reader[22]), len(again)) == (21, 22, 40)
    assert number_of(pickle.loads(pickle.dumps(VideoReader(path.read_bytes())))[13]) == 13
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.starmap(_number, [(reader, i) for i in (3, 23)]) == [3, 23]
    assert number_of(reader[24]) == 24
