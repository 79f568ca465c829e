"""`read_video`, `read_video_timestamps` and `write_video`."""

import io
import sys
from fractions import Fraction

import numpy as np
import pytest

from funcvision.vision.io import VideoReader, read_video, read_video_timestamps, write_video

from .video_files import number_of, numbered_frames, numbers_of, video_bytes

pytest.importorskip("av")

SOUND = np.random.default_rng(0).uniform(-1, 1, (9600, 1)).astype(np.float32)


def torchvision_frames(times, start, end):
    """The numbers of the frames that torchvision 0.21's read_video gives: see its `_read_from_stream`."""
    chosen = [i for i, time in enumerate(times) if start <= time <= end]
    if start > 0 and start not in times and (before := [i for i, time in enumerate(times) if time < start]):
        chosen.insert(0, before[-1])
    return chosen


def test_read_video():
    content = video_bytes("h264.mkv", 30, sound=SOUND)
    frames, audio, info = read_video(content)
    assert numbers_of(frames) == [*range(30)]
    np.testing.assert_allclose(audio, SOUND, atol=2 / 32768)
    assert info == {"video_fps": 25.0, "audio_fps": 8000}
    frames, audio, _ = read_video(content, 0.25, 0.5)
    assert numbers_of(frames) == [*range(6, 13)]  # with the frame of 0.24, which is shown at 0.25
    np.testing.assert_allclose(audio, SOUND[2000:4000], atol=2 / 32768)


@pytest.mark.parametrize("unit", ["sec", "pts"])
def test_which_frames_are_read(unit):
    """Both ends included, with the frame that is shown at the start."""
    content = video_bytes("h264.mp4", 20)
    times, fps = read_video_timestamps(content, unit)
    assert fps == 25
    step = times[1]
    spans = [(0, None), (0, 0), (1, 3), (5 / 2, 7 / 2), (1 / 2, 1 / 2), (999, 999)]
    for start, end in ((first * step, None if last is None else last * step) for first, last in spans):
        wanted = torchvision_frames(times, start, np.inf if end is None else end)
        assert numbers_of(read_video(content, start, end, unit)[0]) == wanted


def test_timestamps(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(video_bytes("h264.mp4", 12))
    times, fps = read_video_timestamps(path)
    assert times == [Fraction(i, 25) for i in range(12)]
    ticks, _ = read_video_timestamps(str(path), "pts")
    assert [type(tick) for tick in ticks] == [int] * 12
    assert np.allclose(np.array(ticks) / ticks[1], range(12))
    assert (fps, type(times[0])) == (25.0, Fraction)


def sound_alone():
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 800), 8192, np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def test_files_without_frames():
    frames, audio, info = read_video(sound_alone())
    assert (frames.shape, audio.shape, info) == ((0, 1, 1, 3), (800, 1), {"audio_fps": 8000})
    np.testing.assert_array_equal(audio, np.float32(0.25))
    assert read_video_timestamps(sound_alone()) == ([], None)
    with pytest.raises(ValueError, match="has no video stream"):
        VideoReader(sound_alone())
    frames, audio, info = read_video(video_bytes("h264.mp4", 3))
    assert (frames.shape[0], audio.shape, info) == (3, (0, 1), {"video_fps": 25.0})


def test_errors_of_reading(tmp_path):
    content = video_bytes("h264.mp4", 3)
    with pytest.raises(ValueError, match="end_pts=1 is before start_pts=2"):
        read_video(content, 2, 1)
    for function in (read_video, read_video_timestamps):
        with pytest.raises(ValueError, match="pts_unit='ms' must be 'sec' or 'pts'"):
            function(content, pts_unit="ms")
        with pytest.raises(FileNotFoundError):
            function(tmp_path / "nowhere.mp4")


@pytest.mark.parametrize(("name", "codec"), [
    ("x.mp4", "libx264"), ("x.mkv", "libx265"), ("x.webm", "libvpx-vp9"), ("x.mp4", "libsvtav1"), ("x.avi", "mpeg4"),
    ("x.gif", "gif"), ("x.mp4", "libx264rgb"),
])  # fmt: skip
def test_what_is_written_is_read(tmp_path, name, codec):
    frames = numbered_frames(30)
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    write_video(tmp_path / name, frames, 10, codec, options)
    found, _, info = read_video(tmp_path / name)
    assert numbers_of(found) == [*range(30)]
    assert info == {"video_fps": 10.0}


def test_rates_and_options(tmp_path):
    frames = numbered_frames(10)
    for rate in (Fraction(30000, 1001), 12.5, 29.97):
        write_video(tmp_path / "x.mp4", frames, rate)
        assert read_video_timestamps(tmp_path / "x.mp4")[1] == pytest.approx(float(rate), rel=1e-6)
    sizes = []
    for quality in ("1", "50"):
        write_video(tmp_path / "x.mp4", frames, 25, options={"crf": quality})
        sizes.append((tmp_path / "x.mp4").stat().st_size)
    assert sizes[0] > sizes[1]
    write_video(tmp_path / "x.mp4", frames, 25, "libx264", {"pix_fmt": "yuv444p", "qp": "0"})
    assert VideoReader(tmp_path / "x.mp4").metadata["pixel_format"] == "yuv444p"
    assert np.abs(read_video(tmp_path / "x.mp4")[0].astype(int) - frames).max() <= 2


@pytest.mark.parametrize(("kind", "channels"), [("float", 1), ("float", 2), ("int16", 2)])
def test_sound_is_written(tmp_path, kind, channels):
    sound = np.random.default_rng(1).uniform(-1, 1, (9000, channels)).astype(np.float32)
    given = sound if kind == "float" else np.round(sound * 32767).astype(np.int16)
    write_video(
        tmp_path / "x.mkv", numbered_frames(10), 10, audio_array=given, audio_fps=8000, audio_codec="pcm_s16le"
    )
    frames, audio, info = read_video(tmp_path / "x.mkv")
    assert (len(frames), info) == (10, {"video_fps": 10.0, "audio_fps": 8000})
    np.testing.assert_allclose(audio, sound, atol=3 / 32768)


def test_sound_of_the_format(tmp_path):
    times = np.arange(22050)[:, None] / 22050
    write_video(
        tmp_path / "x.mp4", numbered_frames(10), 10, audio_array=np.sin(2760 * times) / 2, audio_fps=22050,
    )  # fmt: skip
    _, audio, info = read_video(tmp_path / "x.mp4")
    assert (info["audio_fps"], audio.shape[1]) == (22050, 1)
    assert np.abs(audio[2000:20000] - (np.sin(2760 * times) / 2)[2000:20000]).mean() < 0.02


def test_a_file_object(tmp_path):
    with open(tmp_path / "x.webm", "wb") as file:
        write_video(file, numbered_frames(5), 25, "libvpx-vp9")
    assert number_of(VideoReader(tmp_path / "x.webm")[4]) == 4


def test_errors_of_writing(tmp_path):
    path, frames = tmp_path / "x.mp4", numbered_frames(2)
    for wrong in (frames[0], frames[..., :1], frames.astype(np.float32), frames[:0]):
        with pytest.raises(ValueError, match=r"frames must be uint8 \[time, height, width, 3\]"):
            write_video(path, wrong, 25)
    with pytest.raises(ValueError, match="FFmpeg has no encoder 'h266'"):
        write_video(path, frames, 25, "h266")
    with pytest.raises(ValueError, match="audio_array needs audio_fps"):
        write_video(path, frames, 25, audio_array=SOUND)
    for wrong in (SOUND[:, 0], SOUND.astype(np.int32), np.zeros((9, 7), np.float32)):
        with pytest.raises(ValueError, match="audio_array must be"):
            write_video(path, frames, 25, audio_array=wrong, audio_fps=8000)
    with pytest.raises(ValueError, match=r"libx265 needs frames of 64 x 64 pixels or more, and these are 32 x 64"):
        write_video(path, frames[:, :32], 25, "libx265")
    with pytest.raises(ValueError, match=r"x\.nothing cannot be written"):
        write_video(tmp_path / "x.nothing", frames, 25)
    with pytest.raises(ValueError, match=r"x\.mp4 cannot be written"):
        write_video(path, frames[:, :63], 25)
    with pytest.raises(FileNotFoundError):
        write_video(tmp_path / "no" / "x.mp4", frames, 25)
    assert list(tmp_path.iterdir()) == []  # no part of a file that could not be written


def test_without_pyav(tmp_path, monkeypatch):
    content = video_bytes("h264.mp4", 2)
    monkeypatch.setitem(sys.modules, "av", None)
    for call in (
        lambda: VideoReader(content), lambda: read_video(content), lambda: read_video_timestamps(content),
        lambda: write_video(tmp_path / "x.mp4", numbered_frames(2), 25),
    ):  # fmt: skip
        with pytest.raises(ImportError, match=r'^video files are .* PyAV: pip install "funcvision\[video\]"$'):
            call()
