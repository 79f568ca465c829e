"""The quickstart example trains, saves and predicts."""

import pathlib
import runpy

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "quickstart.py"


def test_quickstart(tmp_path, capsys):
    main = runpy.run_path(str(EXAMPLE))["main"]
    accuracy = main(["--epochs", "5", "--out", str(tmp_path / "model.pth")])
    assert accuracy > 0.8  # 87% was measured
    printed = capsys.readouterr().out
    assert "Epoch 5" in printed
    assert 'Predicted: "' in printed
    assert (tmp_path / "model.pth").exists()
