"""The loop: kills, SIGTERM, losses that are not finite, progress, logs."""

import csv
import json
import pathlib
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import optax
import pytest

from funcvision import train
from funcvision.data import ArrayDataset, DataLoader

from . import short_run
from .tiny import MLP, batches

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    return out, b"".join(short_run.bits(short_run.run(out)))


def start(out: pathlib.Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.train.short_run", str(out)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def rows(out: pathlib.Path) -> list[dict]:
    path = out / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def wait_for(process: subprocess.Popen, out: pathlib.Path, step: int) -> None:
    """Returns when the run has logged a step."""
    path, deadline = out / "metrics.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if f'"step": {step},' in text:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)
    raise AssertionError(f"the run did not reach step {step}")


def comparable(out: pathlib.Path) -> list[dict]:
    """The logged figures that do not depend on the clock."""
    return [{k: v for k, v in row.items() if k not in ("images_per_second", "data_wait")} for row in rows(out)]


def test_a_run_that_is_killed_ends_in_the_same_bits(tmp_path, uninterrupted):
    chance = random.Random(time.time_ns())
    for kill in range(3):
        process = start(tmp_path)
        step = 10 + 14 * kill + chance.randrange(12)
        wait_for(process, tmp_path, step)
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.communicate()
    assert not (tmp_path / "final").exists()
    process = start(tmp_path)
    assert "epoch 5" in process.communicate(timeout=120)[1]
    assert process.returncode == 0
    assert (tmp_path / "final").read_bytes() == uninterrupted[1]
    assert comparable(tmp_path) == comparable(uninterrupted[0])


def test_sigterm_saves_and_returns(tmp_path, uninterrupted):
    before = signal.getsignal(signal.SIGTERM)
    state = short_run.run(tmp_path, lambda index: signal.raise_signal(signal.SIGTERM) if index == 7 else None)
    stopped = int(state.step)
    assert 0 < stopped < short_run.STEPS
    assert rows(tmp_path)[-1]["step"] == stopped
    with train.Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.latest == stopped
    final = short_run.run(tmp_path)
    assert b"".join(short_run.bits(final)) == uninterrupted[1]
    assert comparable(tmp_path) == comparable(uninterrupted[0])
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_log_has_a_line_for_each_step(uninterrupted):
    logged = rows(uninterrupted[0])
    steps = [row["step"] for row in logged if "loss" in row]
    assert steps == list(range(1, short_run.EPOCHS * short_run.STEPS + 1))
    epochs = [row for row in logged if "val_accuracy" in row]
    assert [row["epoch"] for row in epochs] == list(range(short_run.EPOCHS))
    assert all(row["images_per_second"] > 0 and 0 <= row["data_wait"] <= 1 for row in epochs)


MODEL, OPTIMIZER = MLP(), optax.sgd(0.1, momentum=0.9)
STEP = train.make_step(MODEL, train.losses.cross_entropy(), OPTIMIZER)


def fresh() -> train.TrainState:
    return train.create(MODEL, OPTIMIZER, key=jax.random.key(0))


def test_a_loss_that_is_not_finite_names_the_step(tmp_path):
    given = batches(6, 8, (8,))
    given[3][0][0, 0] = np.nan
    with pytest.raises(FloatingPointError, match="loss of step 10 is nan"):
        train.fit(fresh(), STEP, Later(given), epochs=2, out=tmp_path, save_every=4, progress=False)
    with train.Checkpoints(tmp_path / "checkpoints") as checkpoints:
        good, _ = checkpoints.restore(fresh())
        assert checkpoints.latest == 8
    assert all(np.isfinite(x).all() for x in good.params.values())
    state = train.fit(fresh(), STEP, Later(given), epochs=2, on_nan="skip", progress=False)
    assert int(state.step) == 12
    assert all(np.isfinite(x).all() for x in state.params.values())


class Later:
    """Batches of which the damaged one is whole in the first epoch."""

    def __init__(self, given):
        self.given, self.epochs = given, 0

    def __len__(self):
        return len(self.given)

    def __iter__(self):
        self.epochs += 1
        return iter([(np.nan_to_num(x), y) if self.epochs == 1 else (x, y) for x, y in self.given])


def test_any_iterable_with_a_length_can_be_resumed(tmp_path):
    given = batches(5, 8, (8,))
    whole = train.fit(fresh(), STEP, given, epochs=3, progress=False)
    half = train.fit(fresh(), STEP, given, epochs=1, progress=False)
    assert int(half.step) == 5
    half = train.fit(half, STEP, given, epochs=2, progress=False)
    again = train.fit(half, STEP, given, epochs=3, progress=False)
    assert short_run.bits(whole) == short_run.bits(again)


def test_a_state_continues_in_the_middle_of_an_epoch():
    images, labels = batches(1, 40, (8,))[0]
    loader = DataLoader(ArrayDataset((images, labels)), 8, shuffle=True)
    whole = train.fit(fresh(), STEP, loader, epochs=2, progress=False)
    state = fresh()
    loader.epoch = 0
    for _, batch in zip(range(3), loader, strict=False):
        state, _ = STEP(state, batch)
    state = train.fit(state, STEP, loader, epochs=2, progress=False)
    assert short_run.bits(whole) == short_run.bits(state)


def test_all_logs_hold_the_same_figures_and_can_be_rewound(tmp_path):
    pytest.importorskip("tensorboardX")
    logs = [train.JSONLines(tmp_path / "a.jsonl"), train.CSV(tmp_path / "a.csv"), train.TensorBoard(tmp_path / "tb")]
    for log in logs:
        for number in (1, 2):
            log.write(number, {"loss": number / 2})
        log.write(2, {"val_accuracy": 0.5})
        log.write(3, {"loss": 9.0})
        log.rewind(2)
        log.write(3, {"loss": 1.5})
        log.close()
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 1.0}, {"step": 2, "val_accuracy": 0.5},
                     {"step": 3, "loss": 1.5}]
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [{k: float(v) for k, v in row.items() if v} for row in table] == lines
    assert len(list((tmp_path / "tb").glob("events*"))) >= 1


def test_tensorboardx_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "funcvision\[train\]"'):
        train.TensorBoard(tmp_path)


def test_progress_in_a_pipe_shows_figures(capsys):
    train.fit(fresh(), STEP, batches(2, 8, (8,)), epochs=1, evaluate=lambda state: {"accuracy": 0.5})
    shown = capsys.readouterr().err
    assert "epoch 1: val_accuracy 0.5" in shown
    assert "2/2" in shown
    assert "images/s" in shown


def test_a_line_that_was_cut_off_is_removed(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "lo', encoding="utf-8")
    log = train.JSONLines(path)
    log.rewind(5)
    log.close()
    assert path.read_text(encoding="utf-8") == '{"step": 1, "loss": 1.0}\n'


def test_names_of_figures_and_files_of_others(tmp_path):
    table = train.CSV(tmp_path / "a.csv")
    table.write(1, {"loss, mean": 0.5})
    table.write(2, {"loss, mean": 0.25, "rate": 1.0})
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == 'step,"loss, mean",rate\n1,0.5,\n2,0.25,1.0\n'
    (tmp_path / "notes.txt").write_text("hello\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"notes\.txt has lines that are not figures"):
        train.JSONLines(tmp_path / "notes.txt").rewind(1)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "hello\n"


def test_a_trace_of_some_steps(tmp_path):
    traced, state = train.profile(STEP, tmp_path, first=1, steps=1), fresh()
    for batch in batches(3, 8, (8,)):
        state, _ = traced(state, batch)
    assert list(tmp_path.rglob("*.xplane.pb"))


def test_what_fit_refuses():
    with pytest.raises(TypeError, match="length of the loader"):
        train.fit(fresh(), STEP, iter([]), epochs=1)
    with pytest.raises(ValueError, match="no batch"):
        train.fit(fresh(), STEP, [], epochs=1)
    with pytest.raises(ValueError, match="on_nan='ignore'"):
        train.fit(fresh(), STEP, batches(1, 8, (8,)), epochs=1, on_nan="ignore")  # pyright: ignore
