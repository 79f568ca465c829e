"""Scripts for PyTorch run with other imports: with the same weights and batches they have the same loss curves."""

import jax
import numpy as np
import pytest
import torch

from funcvision import eager
from tests.ports.port import SCRIPTS, exchanged, imported

STEPS = 20


def test_only_import_lines_are_exchanged():
    source = "import torch\nimport torch.nn.functional as F\nfrom torch.utils.data import DataLoader\nx = torch.ones(2)"
    assert exchanged(source).splitlines() == [
        "from funcvision import eager as torch", "from funcvision.eager.nn import functional as F",
        "from funcvision.eager.utils.data import DataLoader", "x = torch.ones(2)",
    ]  # fmt: skip
    assert len(SCRIPTS) >= 16


@pytest.mark.parametrize("name", SCRIPTS)
def test_loss_curves(name):
    compare(name, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "mixed_precision"])
def test_loss_curves_in_float64(name):
    with jax.enable_x64(True):
        try:
            for module in (torch, eager):
                module.set_default_dtype(module.float64)
            compare(name, rtol=1e-8, atol=1e-10, double=True)
        finally:
            for module in (torch, eager):
                module.set_default_dtype(module.float32)


def compare(name, *, rtol, atol, double=False):
    theirs, ours = imported(name, torch=True, double=double), imported(name, torch=False, double=double)
    torch.manual_seed(0)
    their_parts, our_parts = theirs.make(), ours.make()
    for part, module in their_parts.items():
        result = our_parts[part].load_state_dict(module.state_dict())
        assert not result.missing_keys
        assert not result.unexpected_keys
    expected = np.array(theirs.train(**their_parts, steps=STEPS))
    found = np.array(ours.train(**our_parts, steps=STEPS))
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=getattr(ours, "TOLERANCE", rtol), atol=atol)
