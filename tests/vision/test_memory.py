"""The largest models fit into the memory of ordinary machines."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import jax
from funcvision.vision import models

model = models.get_model(sys.argv[1])
params, state = model.init(jax.random.key(0))
logits = jax.jit(model.apply)(params, state, jax.numpy.ones((1, 224, 224, 3)))[0]
assert bool(jax.numpy.isfinite(logits).all())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vit_h_14", "regnet_y_128gf"])
def test_init_and_apply_within_12_gib(name):
    done = subprocess.run([sys.executable, "-c", PROGRAM, name], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 12 * 2**30, f"{int(done.stdout) / 2**30:.1f} GiB"
