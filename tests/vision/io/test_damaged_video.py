"""Damaged video files: one clear error, or the frames that are whole."""

import os
import tempfile
import warnings

import numpy as np
import pytest

from funcvision.vision.io import VideoReader, read_video

from .video_files import FILES, video_bytes

pytest.importorskip("av")


def readable(content: bytes) -> dict[float, np.ndarray] | None:
    """The frames that can be read by their times; None if the file cannot be opened. Other errors pass."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            reader = VideoReader(content)
    except ValueError:
        return None
    frames = {}
    for i, time in enumerate(reader.timestamps.tolist()):
        try:
            frames[time] = reader[i]
        except ValueError as error:
            if f"frame {i} is damaged" not in str(error):
                raise
    return frames


@pytest.mark.parametrize("kind", ["h264.mp4 with its index first", *FILES])
def test_a_cut_end_leaves_the_frames_that_are_whole(kind):
    content = fast_start() if " " in kind else video_bytes(kind, 24)
    whole, opened = VideoReader(content), 0
    expected = [*whole]
    for size in np.random.default_rng(0).integers(len(content) // 4, len(content), 12).tolist():
        frames = readable(content[:size])
        for time, frame in (frames or {}).items():
            opened += 1
            if "avi" in kind:  # without times, the last frame moves up if B-frames before it are lost
                assert any(np.array_equal(frame, one) for one in expected)
            else:
                assert np.array_equal(frame, whole.frame_at(time))
                assert time in whole.timestamps
    assert opened or kind.endswith("mp4")  # most MP4 files have their index at the end


def fast_start() -> bytes:
    """An MP4 file whose index precedes the frames, which FFmpeg can make only in a file with a name."""
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.mp4")
        with open(path, "wb") as file:
            file.write(video_bytes("h264.mp4", 24))
        fast = os.path.join(folder, "fast.mp4")
        with av.open(path) as old, av.open(fast, "w", options={"movflags": "faststart"}) as new:
            stream = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(old.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
        with open(fast, "rb") as file:
            return file.read()


def test_a_cut_mp4_file_warns():
    content = fast_start()
    with pytest.warns(RuntimeWarning, match=r"is cut off: it has \d+ of 24 frames, and those are read"):
        reader = VideoReader(content[: len(content) * 3 // 4])
    assert 0 < len(reader) < 24


@pytest.mark.parametrize("kind", ["h264.mp4", "vp9.webm"])
def test_random_damage(kind):
    """100 mutations: no crash, no hang, no exception but ValueError. The codecs have no checksums."""
    content, random, opened = video_bytes(kind, 20), np.random.default_rng(3), 0
    for i in range(100 if kind == "h264.mp4" else 40):
        damaged = bytearray(content)
        position = int(random.integers(len(content)))
        size = int(random.integers(1, 40))
        match i % 5:
            case 0:
                damaged[position] ^= 1 << int(random.integers(8))
            case 1:
                damaged[position : position + size] = random.bytes(size)
            case 2:
                del damaged[position : position + size]
            case 3:
                damaged[position : position + 4] = b"\xff\xff\xff\xff"
            case _:
                other = int(random.integers(len(content)))
                damaged[position : position + size], damaged[other : other + size] = (
                    damaged[other : other + size], damaged[position : position + size],
                )  # fmt: skip
        opened += readable(bytes(damaged)) is not None
    assert opened > 20


def test_damage_spreads_to_the_end_of_its_group():
    """A frame that is predicted from a damaged one is no good, although it decodes."""
    content = video_bytes("h264.mkv", 30, b_frames=0)
    reader = VideoReader(content)
    expected, index = [*reader], reader.index
    damaged = bytearray(content)
    start, stop = (int(index.marks[index.packets[i]]) for i in (13, 14))
    damaged[start + 20 : stop - 4] = bytes(stop - start - 24)
    frames = readable(bytes(damaged))
    assert frames is not None
    times = reader.timestamps.tolist()
    lost = [i for i, time in enumerate(times) if time not in frames]
    assert lost[0] == 13
    assert lost == [*range(13, lost[-1] + 1)]
    assert lost[-1] + 1 in index.keys
    assert all(np.array_equal(frames[time], frame) for time, frame in zip(times, expected) if time in frames)


def test_what_is_no_video(tmp_path):
    path = tmp_path / "x.mp4"
    playlists = b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"ffconcat version 1.0\nfile y"
    for content in (b"", b"no video", bytes(1000), *playlists):
        path.write_bytes(content)
        for function in (VideoReader, read_video):
            with pytest.raises(ValueError, match=r"x\.mp4 is not a video that can be read, or is damaged: .+"):
                function(path)


def test_too_large_frames():
    content = video_bytes(count=3)
    with pytest.raises(ValueError, match=r"has frames of 64 x 64 pixels, more than max_pixels=4095; give Vid"):
        VideoReader(content, max_pixels=4095)[0]
    assert VideoReader(content, max_pixels=4096)[0].shape == (64, 64, 3)
