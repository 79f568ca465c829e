"""The processes of a run of several: how they find each other, and how all of them end when one fails."""

import contextlib
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from jax._src import distributed  # the only way to the store of keys that all processes of a run share

from .options import OptionError
from .recipe import Recipe

__all__ = ["end_together", "ending_with_others", "start_processes"]

FAILED, LEAVING = "funcvision/failed", "funcvision/leaving"
"""Folders of keys: one key says why the run ends, and one for each process says that it knows."""

BETWEEN_QUESTIONS = 1.0
"""Seconds after which a process asks again whether another one has failed."""

ANSWER = 10.0
"""Seconds in which all processes must say that they know why the run ends."""


def start_processes(recipe: Recipe) -> None:
    """Connects the processes of a run of several, and makes XLA deterministic if asked; call it before jax is used.

    They are named by `coordinator`, `num_processes` and `process_id`; or, if none of these is given, by the variables
    that SLURM's srun, Open MPI's mpirun, GKE's TPU slices and indexed jobs of Kubernetes set. With `coordinator=auto`
    `jax.distributed.initialize` looks for all clusters that it knows, such as TPU pods outside of GKE.

    Raises:
        OptionError: only some of the three options are given.
    """
    if recipe.use_deterministic:
        os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true"
    given = (recipe.coordinator, recipe.num_processes, recipe.process_id)
    if given == (None, None, None) and not _is_launched(os.environ):
        return
    if recipe.coordinator == "auto":
        given = (None, *given[1:])
    elif None in given and not _is_launched(os.environ):
        raise OptionError("coordinator, num-processes and process-id belong together: give all three")
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(*given)


def _is_launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher has started this process as one of several, by the variables that jax reads too."""
    def count(name: str) -> int:
        return int(environment.get(name) or 1)

    # Without srun, a batch script of SLURM is one process, and has no variables of a step.
    slurm = count("SLURM_NTASKS") > 1 and "SLURM_STEP_NODELIST" in environment
    hosts = environment.get("TPU_PROCESS_ADDRESSES") or environment.get("TPU_WORKER_HOSTNAMES") or ""
    gke = "," in hosts or count("MEGASCALE_NUM_SLICES") > 1
    # An indexed job without the package is taken for a single process: jax could not ask the cluster for the others.
    indexed = "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment
    kubernetes = indexed and importlib.util.find_spec("kubernetes") is not None
    return slurm or gke or kubernetes or count("OMPI_COMM_WORLD_SIZE") > 1


@contextlib.contextmanager
def ending_with_others() -> Iterator[None]:
    """While this lasts, this process ends if another one of the run calls `end_together`.

    In a run of one process this does nothing.
    """
    state, run_ended = distributed.global_state, threading.Event()
    if state.client is None:
        yield
        return
    watcher = threading.Thread(target=_watch, args=(state, run_ended), name="other processes", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        run_ended.set()
        watcher.join()  # a thread that asks for a key while Python ends would abort the process


def end_together(reason: str, status: int, trace: str = "") -> None:
    """Ends this process and all others of the run. Each of them says the reason on stderr.

    Otherwise they would wait for this process in their next collective, and this one for them before it ends. If a
    process does not answer, each of them says that instead: it was killed, and the reason is only what followed.

    In a run of one process this does nothing.

    Args:
        reason: one sentence.
        status: the exit status of all processes.
        trace: where the error was raised, for this process to print; "" where that is of no use.
    """
    state: Any = distributed.global_state
    if state.client is None:
        return
    with contextlib.suppress(jax.errors.JaxRuntimeError):  # another process has failed first
        state.client.key_value_set(f"{FAILED}/reason", json.dumps([state.process_id, reason, status]))
    _leave(state, reason, status, trace)


def _watch(state: Any, run_ended: threading.Event) -> None:
    """What a thread runs: ends this process as soon as another one says why the run ends."""
    while not run_ended.wait(BETWEEN_QUESTIONS):
        for _, value in state.client.key_value_dir_get(FAILED):
            number, reason, status = json.loads(value)
            _leave(state, f"the process with process-id={number} failed: {reason}", status)


def _leave(state: Any, reason: str, status: int, trace: str = "") -> None:
    """Says why, and ends this process at once: Python's way would wait for the other processes."""
    if missing := _missing(state):
        numbers = ", ".join(map(str, missing))
        reason = f"the process with process-id={numbers} was killed, or its machine failed: {reason}"
        status, trace = 1, ""
    print(f"{trace}funcvision: {reason}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    if state.process_id == 0:
        time.sleep(1)  # the store of keys ends with this process, and the others may still read from it
    os._exit(status)


def _missing(state: Any) -> list[int]:
    """The processes that do not answer that they know why the run ends."""
    state.client.key_value_set(f"{LEAVING}/{state.process_id}", "", allow_overwrite=True)
    deadline = time.monotonic() + ANSWER
    while True:
        there = {int(key.rpartition("/")[2]) for key, _ in state.client.key_value_dir_get(LEAVING)}
        missing = sorted(set(range(state.num_processes)) - there)
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.1)
