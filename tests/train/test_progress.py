"""Progress in a terminal, in a notebook and in a pipe."""

import io

import pytest

from funcvision.train import progress


class Stream(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool):
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def shown(stream: Stream, monkeypatch, steps: int = 30) -> str:
    monkeypatch.setattr("sys.stderr", stream)
    bar = progress.progress_on_stderr(steps, 0)
    for number in range(steps):
        bar.show(number + 1, number // 10 + 1, "loss 0.5, 100 images/s")
        if number % 10 == 9:
            bar.say(f"epoch {number // 10 + 1}: val_accuracy 0.5")
    bar.close()
    return stream.getvalue()


def test_a_pipe_has_complete_lines_only(monkeypatch):
    text = shown(Stream(terminal=False), monkeypatch)
    assert text == (
        "epoch 1, step 1/30: loss 0.5, 100 images/s\nepoch 1: val_accuracy 0.5\nepoch 2: val_accuracy 0.5\n"
        "epoch 3, step 30/30: loss 0.5, 100 images/s, 00:00 left\nepoch 3: val_accuracy 0.5\n"
    )


def test_lines_come_now_and_then(monkeypatch, capsys):
    now = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(now)))
    lines = progress.Lines(total=100, done=40)
    for number in range(25):
        lines.show(41 + number, 3, "loss 1")
    assert capsys.readouterr().err.splitlines() == [
        "epoch 3, step 41/100: loss 1", "epoch 3, step 51/100: loss 1, 00:49 left",
        "epoch 3, step 61/100: loss 1, 00:39 left",
    ]


@pytest.mark.parametrize("notebook", [False, True])
def test_a_terminal_and_a_notebook_have_a_bar(notebook, monkeypatch):
    kind = type("OutStream", (Stream,), {"__module__": "ipykernel.iostream"}) if notebook else Stream
    text = shown(kind(terminal=not notebook), monkeypatch)
    assert "\r" in text
    assert "epoch 3: 100% 30/30 steps" in text
    assert "loss 0.5, 100 images/s" in text
    assert "epoch 2: val_accuracy 0.5\n" in text


def test_a_narrow_terminal_shows_the_figures(monkeypatch):
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda file: (60, 24))
    drawn = shown(Stream(terminal=True), monkeypatch).replace("\n", "\r").split("\r")
    assert any("30/30 steps" in line and "loss 0.5, 100 i" in line for line in drawn)
    assert max(map(len, drawn)) <= 60
