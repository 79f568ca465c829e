"""Measures contenders side by side, each in a process of its own, and reports ratios of medians.

A contender is a function that prepares everything and returns `(run, answer)` or `(run, answer, seconds)`. `run()` does
the work once and returns when it is done. `answer` is an array of what was computed; the answers of all contenders are
compared before anything is timed. It is None for a contender that defines the work differently, so that nothing can be
compared. `seconds` is the time of the first call; without it, the time of the preparation counts as the first call.
Only one process works at any moment; the others wait on a pipe.

With `BENCHMARK_CLOCK=cpu` in the environment the time is that of the processor and not of the clock on the wall, for a
machine that does other work. It is to be used on one core, `taskset -c 0`: threads that wait count as work.
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

PAUSE = 0.05  # seconds before a turn: OpenMP's threads spin for some milliseconds after a turn of torch has ended
WARM_UP_BELOW = 0.1  # seconds: shorter work runs once before it is timed, because threads that slept wake on one core
CLOCK = time.process_time if os.environ.get("BENCHMARK_CLOCK") == "cpu" else time.perf_counter
Prepared = tuple[Callable[[], Any], np.ndarray | None] | tuple[Callable[[], Any], np.ndarray | None, float]


@dataclasses.dataclass(frozen=True)
class Contender:
    """One side of a comparison.

    Attributes:
        name: its name in the table.
        module: the dotted name of the module that has the function.
        function: the name of the function that prepares it.
        options: keyword arguments of the function.
    """

    name: str
    module: str
    function: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def _serve(pipe: Any, threads: int) -> None:
    """Runs in a contender's process: prepares each `Contender` that it gets, times it when asked, ends at None."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    run: Any = None
    seconds = 0.0  # that the last turn took
    try:
        while (message := pipe.recv()) is not None:
            if not isinstance(message, Contender):
                if seconds < WARM_UP_BELOW:
                    run()
                start = CLOCK()
                run()
                seconds = CLOCK() - start
                pipe.send(seconds)
                continue
            run, seconds = None, 0.0  # frees the memory of the contender before
            prepare = getattr(importlib.import_module(message.module), message.function)
            start = time.perf_counter()
            run, answer, *first = prepare(**message.options)
            run()
            first_call = first[0] if first else time.perf_counter() - start
            pipe.send((first_call, None if answer is None else np.asarray(answer, np.float64)))
    except BaseException:
        pipe.send(traceback.format_exc())
        raise


class Workers:
    """One process for each name of a contender, until the end of the `with`. Many short comparisons can share them."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Any, Any]] = {}

    def pipe(self, name: str) -> Any:
        if name not in self._held:
            spawn = multiprocessing.get_context("spawn")
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_serve, args=(theirs, len(os.sched_getaffinity(0))))
            process.start()
            theirs.close()  # only the process holds it now, so if the process dies, `recv` here ends with EOFError
            self._held[name] = ours, process
        return self._held[name][0]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for pipe, process in self._held.values():
            with contextlib.suppress(BrokenPipeError):  # the process has ended already
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
    """What a comparison of the first contender with its peers gives.

    Attributes:
        ratios: for each peer, the median time of the first contender over that of the peer.
        errors: for each peer with an answer, the largest difference between both answers, relative to the largest
            value.
        first: seconds that the first call of each contender took, in order.
        medians: seconds of each contender, in order.
    """

    ratios: dict[str, float]
    errors: dict[str, float]
    first: list[float]
    medians: list[float]


def compare(
    title: str, contenders: Sequence[Contender], *, rounds: int = 15, rtol: float = 1e-3, workers: Workers | None = None
) -> Result:
    """Times the contenders in turns, prints a table, and compares the first one with each of the others.

    Args:
        title: the heading of the table.
        contenders: the first one is compared with the others.
        rounds: how often each is timed.
        rtol: the largest difference between two answers, relative to the largest value.
        workers: processes to use; without them each contender gets a new one.

    Raises:
        RuntimeError: a contender fails, or two answers differ by more than `rtol`.
    """
    names = [contender.name for contender in contenders]
    with contextlib.nullcontext(workers) if workers else Workers() as held:
        pipes = [held.pipe(name) for name in names]
        # one after another, so that compilations do not compete for the cores
        prepared = [_ask(pipe, contender) for pipe, contender in zip(pipes, contenders, strict=True)]
        first = [seconds for seconds, _ in prepared]
        errors = _differences(names, [answer for _, answer in prepared], rtol)
        times = np.zeros((rounds, len(contenders)))
        for turn in tqdm(range(rounds), desc=title, leave=False, disable=not sys.stderr.isatty()):
            for i in np.random.default_rng(turn).permutation(len(contenders)):  # in a new order each time
                time.sleep(PAUSE)
                times[turn, i] = _ask(pipes[i], True)
    return Result(report(title, names, times, first), errors, first, np.median(times, 0).tolist())


def _differences(names: Sequence[str], answers: Sequence[np.ndarray | None], rtol: float) -> dict[str, float]:
    errors = {}
    for name, answer in zip(names[1:], answers[1:], strict=True):
        if answer is None or answers[0] is None:
            continue
        errors[name] = worst = float(np.abs(answer - answers[0]).max() / np.abs(answers[0]).max())
        if not worst <= rtol:
            raise RuntimeError(f"{names[0]} and {name} computed different things: {worst:.1e} of the largest value")
    return errors


def report(
    title: str, names: Sequence[str], times: np.ndarray, first: Sequence[float] | None = None
) -> dict[str, float]:
    """Prints the medians and, for each peer, the ratio of medians and the middle 80% of the ratios of single rounds.

    Args:
        title: the heading of the table.
        names: of the contenders.
        times: seconds, [rounds, contenders].
        first: seconds that each first call took.

    Returns:
        For each peer, the median time of the first contender over that of the peer.
    """
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
