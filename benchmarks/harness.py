"""Measures contenders side by side: each in a process of its own, taking turns, and reports ratios of medians.

A contender is a function in a module that prepares everything and returns `(run, answer)`: `run()` does the work once
and returns when it is done, `answer` is an array that says what was computed. A third item, if there is one, is the
seconds that the first call took; else they are those of preparing everything. Before anything is timed the answers are
compared. Only one process works at any moment; the others wait on a pipe.
"""

import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

PAUSE = 0.05  # seconds before a turn: OpenMP's threads spin for some milliseconds after torch's own turn has ended
SHORT = 0.1  # seconds: work that takes less is done once before it is timed, as threads that slept wake on one core
Prepared = tuple[Callable[[], Any], np.ndarray] | tuple[Callable[[], Any], np.ndarray, float]


@dataclasses.dataclass(frozen=True)
class Contender:
    """One side: a name, the module and the function that prepares it, and the function's keyword arguments."""

    name: str
    module: str
    function: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def _serve(pipe: Any, threads: int) -> None:
    """A contender's process: prepares what it is sent, then times it for every other message until it gets None."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    run: Any = None
    seconds = 0.0  # of its last turn
    try:
        while (message := pipe.recv()) is not None:
            if not isinstance(message, Contender):
                if seconds < SHORT:
                    run()
                start = time.perf_counter()
                run()
                seconds = time.perf_counter() - start
                pipe.send(seconds)
                continue
            run, seconds = None, 0.0  # what it held makes room
            prepare = getattr(importlib.import_module(message.module), message.function)
            start = time.perf_counter()
            run, answer, *first = prepare(**message.options)
            run()
            pipe.send((first[0] if first else time.perf_counter() - start, np.asarray(answer, np.float64)))
    except BaseException:
        pipe.send(traceback.format_exc())
        raise


class Workers:
    """A process for each contender's name, for as long as the `with` lasts: many short comparisons can share them."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Any, Any]] = {}

    def pipe(self, name: str) -> Any:
        if name not in self._held:
            spawn = multiprocessing.get_context("spawn")
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(theirs, len(os.sched_getaffinity(0))), daemon=True)
            process.start()
            theirs.close()  # only the process holds it now: if that dies, waiting for it ends
            self._held[name] = ours, process
        return self._held[name][0]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for pipe, process in self._held.values():
            with contextlib.suppress(BrokenPipeError):  # it has ended by itself
                pipe.send(None)
            process.join()


def _ask(pipe: Any, message: Any) -> Any:
    try:
        pipe.send(message)
        reply = pipe.recv()
    except (EOFError, OSError):
        raise RuntimeError("a contender's process ended: was there too little memory?") from None
    if isinstance(reply, str):
        raise RuntimeError(f"a contender failed:\n{reply}")
    return reply


class Result(NamedTuple):
    """Of each peer by name: the ratio of medians, the first contender over it, and the largest difference in answers.

    The difference is relative to the largest value. `first` has the seconds of each contender's first call, in order.
    """

    ratios: dict[str, float]
    errors: dict[str, float]
    first: list[float]


def compare(
    title: str, contenders: Sequence[Contender], *, rounds: int = 15, rtol: float = 1e-3, workers: Workers | None = None
) -> Result:
    """Times the contenders in turns and prints a table; the ratios are of the first one to each other.

    Each has a new process, or that of its name among the `workers`.

    Raises:
        RuntimeError: a contender fails, or two answers differ by more than `rtol` of the largest value.
    """
    names = [contender.name for contender in contenders]
    with contextlib.nullcontext(workers) if workers else Workers() as held:
        pipes = [held.pipe(name) for name in names]
        # one after another, so that compilations do not compete
        prepared = [_ask(pipe, contender) for pipe, contender in zip(pipes, contenders, strict=True)]
        first = [seconds for seconds, _ in prepared]
        errors = _differences(names, [answer for _, answer in prepared], rtol)
        times = np.zeros((rounds, len(contenders)))
        for turn in tqdm(range(rounds), desc=title, leave=False, disable=not sys.stderr.isatty()):
            for i in np.random.default_rng(turn).permutation(len(contenders)):  # nobody always follows the same one
                time.sleep(PAUSE)
                times[turn, i] = _ask(pipes[i], True)
    return Result(report(title, names, times, first), errors, first)


def _differences(names: Sequence[str], answers: Sequence[np.ndarray], rtol: float) -> dict[str, float]:
    errors = {}
    for name, answer in zip(names[1:], answers[1:], strict=True):
        errors[name] = worst = float(np.abs(answer - answers[0]).max() / np.abs(answers[0]).max())
        if not worst <= rtol:
            raise RuntimeError(f"{names[0]} and {name} computed different things: {worst:.1e} of the largest value")
    return errors


def report(
    title: str, names: Sequence[str], times: np.ndarray, first: Sequence[float] | None = None
) -> dict[str, float]:
    """Prints medians and, for each peer, the ratio of medians with the middle 80% of the ratios of single rounds."""
    print(f"\n{title}")
    print(f"  {'':28} {'median ms':>10} {'first call s':>13}   {names[0]} / it (10%..90% of rounds)")
    ratios = {}
    for i, name in enumerate(names):
        cold = f"{first[i]:13.2f}" if first else " " * 13
        line = f"  {name:28} {1000 * np.median(times[:, i]):10.2f} {cold}"
        if i:
            ratios[name] = float(np.median(times[:, 0]) / np.median(times[:, i]))
            low, high = np.quantile(times[:, 0] / times[:, i], [0.1, 0.9])
            line += f"   {ratios[name]:.2f} ({low:.2f}..{high:.2f})"
        print(line)
    return ratios
