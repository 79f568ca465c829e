"""Small video files. Every frame carries its own number, so that a wrong frame is noticed."""

import io
import os
from fractions import Fraction

import numpy as np

os.environ.setdefault("SVT_LOG", "-1")  # the AV1 encoder prints its settings otherwise

SIZE = 64  # x265 destroys the heap for some smaller frames
FILES = {
    "h264.mp4": ("libx264", "mp4"), "h264.mkv": ("libx264", "matroska"), "h264.avi": ("libx264", "avi"),
    "h264.ts": ("libx264", "mpegts"), "hevc.mp4": ("libx265", "mp4"), "hevc.mkv": ("libx265", "matroska"),
    "vp9.webm": ("libvpx-vp9", "webm"), "av1.mp4": ("libsvtav1", "mp4"), "av1.webm": ("libsvtav1", "webm"),
    "mpeg4.mp4": ("mpeg4", "mp4"), "mpeg4.avi": ("mpeg4", "avi"), "gif.gif": ("gif", "gif"),
}  # fmt: skip
"""The encoder and format of each kind of file."""


def numbered_frames(count: int) -> np.ndarray:
    """Frames whose number is in a pattern of 2 x 3 squares, black or white: bit k of the number is square k."""
    frames = np.zeros((count, SIZE, SIZE, 3), np.uint8)
    for number in range(count):
        bits = np.array([(number >> k) & 1 for k in range(6)], np.uint8).reshape(2, 3) * 255
        frames[number, :, :63] = bits.repeat(SIZE // 2, 0).repeat(SIZE // 3, 1)[..., None]
    return frames


def number_of(frame: np.ndarray) -> int:
    """The number in the pattern of a frame."""
    squares = frame[16::32, 10:63:21].mean(axis=-1) > 128
    return int(sum(1 << k for k, white in enumerate(squares.reshape(-1)) if white))


def numbers_of(frames: np.ndarray) -> list[int]:
    return [number_of(frame) for frame in frames]


def video_bytes(
    kind: str = "h264.mp4",
    count: int = 40,
    *,
    ticks: list[int] | None = None,
    rate: int = 25,
    b_frames: int = 2,
    group: int = 10,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    rotation: tuple[float, bool, bool] | None = None,
    frames: np.ndarray | None = None,
    sound: np.ndarray | None = None,
) -> bytes:
    """A video file.

    Args:
        kind: one of `FILES`.
        count: the number of frames.
        ticks: when each frame is shown, in units of 1 / rate.
        rate: frames in a second.
        b_frames: how many B-frames may follow each other, for codecs with them.
        group: the number of frames from one key to the next.
        options: of the encoder.
        muxer: options of the container.
        rotation: degrees counter-clockwise, whether mirrored left to right, whether mirrored top to bottom.
        frames: in place of numbered frames.
        sound: float32 [samples, 1], 8000 in a second, stored exactly but for 16 bits.
    """
    import av

    codec, format = FILES[kind]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format, options=muxer or {}) as container:
        defaults = {"x265-params": "log-level=none"} if codec == "libx265" else {}
        stream = container.add_stream(codec, rate=rate, options=options or defaults)
        frames = numbered_frames(count) if frames is None else frames
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels = "rgb8" if codec == "gif" else "yuv420p"
        stream.gop_size = group
        if codec in ("libx264", "libx265", "mpeg4"):
            stream.max_b_frames = b_frames
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        track = None if sound is None else container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = i if ticks is None else ticks[i], Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            samples = np.round(sound.T * 32768).clip(-32768, 32767).astype(np.int16)
            for start in range(0, samples.shape[1], 800):
                part = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(samples[:, start : start + 800]), format="s16", layout="mono"
                )
                part.sample_rate, part.pts, part.time_base = 8000, start, Fraction(1, 8000)
                container.mux(track.encode(part))
            container.mux(track.encode(None))
    return buffer.getvalue()
