"""Workers when something goes wrong, and when their batches are not needed any more."""

import faulthandler
import gc
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from funcvision.data import DataLoader, default_collate
from funcvision.data._workers import Fetch, Pool

from .samples import CannotBeRebuilt, DiesWhileItSends, Environment, Faulty, Numbers, PickyError

KINDS = {
    "caller": {"num_workers": 0},
    "threads": {"num_workers": 2},
    "processes": {"num_workers": 1, "workers": "processes"},
}


@pytest.fixture(autouse=True)
def _no_hang():
    """If a test hangs, the run ends and prints the stacks of all threads."""
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def workers_alive():
    threads = [t for t in threading.enumerate() if t.name.startswith("DataLoader")]
    return threads + [p for p in multiprocessing.active_children() if p.name.startswith("DataLoader")]


def run(script, *, seconds=120.0, **options):
    """Exit code and output of a new Python process that runs a script, with the samples imported."""
    program = [sys.executable, "-c", f"from tests.data.samples import *\nfrom funcvision.data import *\n{script}"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=seconds, **options)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("fault", "cause"), [("raise", KeyError), ("stop", StopIteration)])
def test_an_error_is_raised_at_its_batch_with_its_cause(kind, fault, cause):
    batches = iter(DataLoader(Faulty(9, 5, fault), 2, **KINDS[kind]))
    assert [next(batches)[1].tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(RuntimeError, match=f"sample 5 of Faulty could not be loaded: {cause.__name__}") as caught:
        next(batches)
    assert type(caught.value.__cause__) is cause
    if kind == "processes":
        assert "in __getitem__" in caught.value.__cause__.__notes__[0]
    assert workers_alive() == []


def test_an_error_that_cannot_be_pickled_keeps_its_text():
    with pytest.raises(RuntimeError, match=r"sample 0 of Faulty .*PickyError: broken because it must be") as caught:
        next(iter(DataLoader(Faulty(9, 0, "picky"), **KINDS["processes"])))
    assert "raise PickyError" in caught.value.__cause__.__notes__[0]
    with pytest.raises(RuntimeError) as caught:
        next(iter(DataLoader(Faulty(9, 0, "picky"), **KINDS["threads"])))
    assert type(caught.value.__cause__) is PickyError


def fails(sample, *, key):
    raise ValueError("no crop fits")


def test_errors_of_transform_and_collate_function():
    with pytest.raises(RuntimeError, match="sample 0 of Numbers could not be loaded: ValueError: no crop fits"):
        next(iter(DataLoader(Numbers(4), 2, transform=fails)))
    with pytest.raises(RuntimeError, match=r"sample 0 of Numbers .*unexpected keyword argument 'key'"):
        next(iter(DataLoader(Numbers(4), 2, transform=lambda sample: sample)))
    with pytest.raises(RuntimeError, match=r"batch of samples \[3\] of Faulty .*TypeError.*is a function") as caught:
        list(DataLoader(Faulty(4, 3, "lambda")))
    assert type(caught.value.__cause__) is TypeError


@pytest.mark.parametrize(
    ("fault", "how"), [("exit", "ended with exit code 3"), ("kill", r"was killed by SIGKILL \(.*out of memory\)")]
)
def test_a_process_that_dies_is_reported(fault, how):
    batches = iter(DataLoader(Faulty(9, 3, fault), 2, **KINDS["processes"]))
    assert next(batches)[1].tolist() == [0, 1]
    with pytest.raises(RuntimeError, match=f"a worker process of the DataLoader {how}$"):
        next(batches)
    assert workers_alive() == []


def test_a_process_that_dies_while_it_sends_a_batch_is_reported():
    with pytest.raises(RuntimeError, match="was killed by SIGKILL") as caught:
        next(iter(DataLoader(DiesWhileItSends(2), **KINDS["processes"])))
    assert "during message" in str(caught.value.__cause__), "half of the batch had arrived"


def test_what_cannot_be_sent_to_a_process():
    class Local(Numbers):
        pass

    with pytest.raises(TypeError, match=r"Local cannot be sent to worker processes.*in threads") as caught:
        next(iter(DataLoader(Local(4), **KINDS["processes"])))
    assert caught.value.__cause__ is not None
    with pytest.raises(RuntimeError, match=r"could not be rebuilt in a worker process: OSError: the file is not here"):
        next(iter(DataLoader(CannotBeRebuilt(4), **KINDS["processes"])))
    with pytest.raises(RuntimeError, match=r"a batch could not be sent by a worker process: .*lambda"):
        next(iter(DataLoader(Faulty(4, 0, "lambda"), collate_fn=tuple, **KINDS["processes"])))


def test_processes_keep_off_the_accelerator(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS")
    batch = next(iter(DataLoader(Environment(2), 2, **KINDS["processes"])))
    assert batch == {"here": ["cpu", "cpu"], "below": ["cpu", "cpu"]}


def _divides_by_zero(batches):
    for _ in batches:
        _ = 1 / 0


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("how", ["break", "raise", "drop", "cycle", "end"])
def test_no_worker_is_left(kind, how):
    before = workers_alive()
    batches = iter(DataLoader(Numbers(8), 2, **KINDS[kind]))
    next(batches)
    assert len(workers_alive()) == 2, "two threads, or a thread and its process"
    started = time.monotonic()
    if how == "break":
        for _ in batches:
            break
        del batches, _
    elif how == "raise":
        with pytest.raises(ZeroDivisionError):
            _divides_by_zero(batches)
        del batches
    elif how == "drop":
        del batches
    elif how == "cycle":
        cycle = [batches]
        cycle.append(cycle)
        del batches, cycle
        gc.collect()
    else:
        assert len(list(batches)) == 3
    assert workers_alive() == before == []
    assert time.monotonic() - started < 10


def test_an_iterator_that_never_started_has_no_workers():
    batches = iter(DataLoader(Numbers(8), **KINDS["processes"]))
    assert workers_alive() == []
    del batches


def test_threads_leave_a_batch_in_the_middle():
    class Slow(Numbers):
        def __getitem__(self, index):
            seen.append(index)
            time.sleep(0.01 * (index >= 500))
            return super().__getitem__(index)

    seen = []
    batches = iter(DataLoader(Slow(1000), 500, num_workers=1))
    next(batches)
    batches.close()
    assert workers_alive() == []
    assert len(seen) < 1000


def test_batches_wait_no_further_ahead_than_prefetch_factor():
    class Seen(Numbers):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    seen = []
    batches = iter(DataLoader(Seen(100), 1, num_workers=2, prefetch_factor=3))
    next(batches)
    deadline = time.monotonic() + 20
    while len(seen) < 7 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)  # in which a wrong loader would go further
    assert sorted(seen) == list(range(7))
    batches.close()


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_python_ends_with_an_iterator_alive_and_a_dataset_that_hangs(kind):
    script = f"""
if __name__ == "__main__":
    batches = iter(DataLoader(Faulty(100, 3, "hang"), **{KINDS[kind]}))
    print(next(batches)[1])
"""
    assert run(script) == (0, "[0]\n", "")


def test_ctrl_c_is_left_to_the_owner():
    batches = iter(DataLoader(Numbers(6), **KINDS["processes"]))
    next(batches)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGINT)
    assert len(list(batches)) == 5


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_ctrl_c(kind):
    script = f"""
import signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells make background jobs ignore it
if __name__ == "__main__":
    batches = iter(DataLoader(Faulty(100, 1, "hang"), **{KINDS[kind]}))
    next(batches)
    threading.Timer(0.3, lambda: os.killpg(0, signal.SIGINT)).start()
    next(batches)
"""
    code, _, errors = run(script, start_new_session=True)
    assert code == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1, "the workers are silent"


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.data.samples import Numbers\nfrom funcvision.data import DataLoader\n"
        "list(DataLoader(Numbers(4), num_workers=1, workers='processes'))\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 1
    assert "ended with exit code 1 before its first batch" in done.stderr
    assert 'must do its work under `if __name__ == "__main__":`' in done.stderr


def test_a_process_ends_when_its_owner_is_killed():
    script = """
if __name__ == "__main__":
    batches = iter(DataLoader(Numbers(100), num_workers=1, workers="processes"))
    next(batches)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    code, _, _ = run(script)  # returns when neither the owner nor the worker holds the output open
    assert code == -signal.SIGKILL


def test_global_batches_of_two_hosts():
    """Two processes with two devices each: every process loads its part, and the arrays are global."""
    script = """
import sys, jax
from jax.sharding import NamedSharding, PartitionSpec
jax.distributed.initialize(f"localhost:{sys.argv[1]}", 2, int(sys.argv[2]))
sharding = NamedSharding(jax.make_mesh((4,), ("data",)), PartitionSpec("data"))
loader = DataLoader(Numbers(16), 4, device=sharding)
for images, labels in loader:
    assert images.shape == (8, 2, 3), images.shape
    parts = labels.addressable_shards, images.addressable_shards
    print([part.data.tolist() for part in parts[0]], [part.data[0, 0, 0].item() for part in parts[1]])
print(len(loader), loader.shard)
"""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    results = []

    def host(index):
        results.append(run(f"import sys; sys.argv[1:] = ['{port}', '{index}']\n{script}"))

    hosts = [threading.Thread(target=host, args=(index,)) for index in range(2)]
    for thread in hosts:
        thread.start()
    for thread in hosts:
        thread.join()
    assert [code for code, *_ in results] == [0, 0], results
    assert sorted(output for _, output, _ in results) == [
        "[[0, 1], [2, 3]] [0.0, 2.0]\n[[8, 9], [10, 11]] [8.0, 10.0]\n2 (0, 2)\n",
        "[[4, 5], [6, 7]] [4.0, 6.0]\n[[12, 13], [14, 15]] [12.0, 14.0]\n2 (1, 2)\n",
    ]


def test_an_idle_thread_keeps_no_batch_alive():
    pool = Pool(Fetch(Numbers(1), None, default_collate, seed=0), 1, processes=False)
    batch = weakref.ref(pool.submit(0, np.array([0]), np.array([0])).result()[0])
    deadline = time.monotonic() + 10
    while batch() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert batch() is None
    pool.close()
