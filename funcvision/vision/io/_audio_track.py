"""The sound of a video file."""

import math
from fractions import Fraction

import numpy as np

from ._container import VideoSource, exact, import_av

__all__ = ["read_audio"]

LEAD_IN = 1.0
"""How long before the wanted time decoding starts, in seconds. The first packets after a seek decode incompletely."""


def read_audio(source: VideoSource, start: float | None, stop: float | None) -> tuple[np.ndarray, int | None]:
    """The samples with start <= time < stop, in seconds, of the first audio stream.

    Returns:
        float32 [samples, channels], and how many are in a second; [0, 1] and None if the file has no audio.

    Raises:
        ValueError: the file is damaged.
    """
    start, stop = -math.inf if start is None else start, math.inf if stop is None else stop
    with source.open() as container:
        if not container.streams.audio:
            return np.zeros((0, 1), np.float32), None
        stream = container.streams.audio[0]
        base = exact(stream.time_base) or Fraction(1, stream.rate)
        parts = [np.zeros((0, stream.channels), np.float32)]
        if math.isfinite(start):
            begin = math.floor((start - LEAD_IN) / base)
            if begin > (stream.start_time or 0):
                container.seek(begin, stream=stream)
        resampler = import_av().AudioResampler(format="fltp")
        clock = 0.0
        for packet in container.demux(stream):
            if packet.is_corrupt:
                continue
            for frame in packet.decode():
                clock = clock if frame.pts is None else float(frame.pts * base)
                if clock >= stop:
                    return np.concatenate(parts), stream.rate
                samples = np.concatenate([one.to_ndarray() for one in resampler.resample(frame)], axis=1).T
                parts.append(samples[_between(start, stop, clock, frame.sample_rate, len(samples))])
                clock += len(samples) / frame.sample_rate
        return np.concatenate(parts), stream.rate


def _between(start: float, stop: float, clock: float, rate: int, count: int) -> slice:
    """Those of `count` samples, the first of them at time `clock`, that have start <= time < stop."""
    first, last = (
        count if value == math.inf else 0 if value == -math.inf else math.ceil(round((value - clock) * rate, 6))
        for value in (start, stop)
    )
    return slice(min(max(first, 0), count), min(max(last, 0), count))
