"""How far a run is: a bar in a terminal and in a notebook, a line now and then in a pipe or a file."""

import math
import sys
import time
from typing import Protocol

from tqdm import tqdm

__all__ = ["Bar", "Lines", "Progress", "Silent", "progress_on_stderr"]

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_REDRAWS = 0.1
SECONDS_BETWEEN_REDRAWS_IN_NOTEBOOKS = 0.5
"""Each redraw is a message that the notebook receives and may store."""


class Progress(Protocol):
    """What shows how far a run is."""

    def show(self, step: int, epoch: int, figures: str) -> None:
        """So many steps of the run were made; the last one is in this epoch, counted from 1, and has these figures."""

    def say(self, text: str) -> None:
        """Shows a line that stays."""

    def close(self) -> None:
        """The run ended."""


class Silent:
    """Shows nothing."""

    def show(self, step: int, epoch: int, figures: str) -> None:
        """Does nothing."""

    def say(self, text: str) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Bar:
    """One line that is drawn again and again: the figures, and a bar in the space that they leave.

    Args:
        total: steps of the run.
        done: steps that were made before.
        seconds: the least time between two drawings.
    """

    def __init__(self, total: int, done: int, seconds: float):
        self._bar = tqdm(
            total=total, initial=done, unit="step", dynamic_ncols=True, mininterval=seconds, file=sys.stderr,
            bar_format="{desc}{percentage:3.0f}% {n_fmt}/{total_fmt} steps, {elapsed}<{remaining}{postfix} |{bar}|",
        )

    def show(self, step: int, epoch: int, figures: str) -> None:
        """Draws the bar anew if it is time."""
        self._bar.set_description(f"epoch {epoch}", refresh=False)
        self._bar.set_postfix_str(figures, refresh=False)
        self._bar.update(step - self._bar.n)

    def say(self, text: str) -> None:
        """Writes a line above the bar."""
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leaves the bar as it is."""
        self._bar.close()


class Lines:
    """A line at the first and at the last step, and between them one now and then.

    Args:
        total: steps of the run.
        done: steps that were made before.
        seconds: the least time between two lines.
    """

    def __init__(self, total: int, done: int, seconds: float = SECONDS_BETWEEN_LINES):
        self._total, self._first, self._seconds = total, done, seconds
        self._started, self._shown = 0.0, -math.inf

    def show(self, step: int, epoch: int, figures: str) -> None:
        """Writes a line if it is time."""
        now = time.perf_counter()
        if not self._started:  # the first step is compiled, and says nothing about the time that the others take
            self._started, self._first, left = now, step, ""
        else:
            seconds = (now - self._started) * (self._total - step) / (step - self._first)
            left = f", {tqdm.format_interval(seconds)} left"
        if now - self._shown >= self._seconds or step == self._total:
            self._shown = now
            self.say(f"epoch {epoch}, step {step}/{self._total}: {figures}{left}")

    def say(self, text: str) -> None:
        """Writes a line."""
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Does nothing: every line is complete."""


def progress_on_stderr(total: int, done: int) -> Progress:
    """What fits the place to which stderr goes.

    Args:
        total: steps of the run.
        done: steps that were made before.
    """
    if sys.stderr.isatty():
        return Bar(total, done, SECONDS_BETWEEN_REDRAWS)
    if type(sys.stderr).__module__.startswith("ipykernel"):  # a notebook draws a line anew at a carriage return
        return Bar(total, done, SECONDS_BETWEEN_REDRAWS_IN_NOTEBOOKS)
    return Lines(total, done)
