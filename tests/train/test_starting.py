"""How the processes of a run find each other, and which flags reach XLA."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest

from funcvision import cli
from funcvision.train.options import OptionError
from funcvision.train.processes import start_processes
from funcvision.train.recipe import Recipe

TINY = str(pathlib.Path(__file__).with_name("tiny_recipe.py"))
SLURM = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "1", "SLURM_LOCALID": "0"}
NONE = (None, None, None)


@pytest.fixture
def started(monkeypatch):
    """The arguments of all calls of `jax.distributed.initialize`, which does nothing here."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(jax.config, "update", lambda name, value: None)
    for name in os.environ:
        if name.startswith(("SLURM_", "OMPI_", "TPU_", "MEGASCALE_", "KUBERNETES_", "JOB_")):
            monkeypatch.delenv(name)
    return calls


@pytest.mark.parametrize(("variables", "launched"), [
    ({}, False),
    (SLURM | {"SLURM_STEP_NODELIST": "node[1-4]"}, True),
    (SLURM, False),  # a batch script without srun
    ({"SLURM_NTASKS": "1", "SLURM_STEP_NODELIST": "node1"}, False),
    ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"}, True),
    ({"OMPI_COMM_WORLD_SIZE": "1"}, False),
    ({"TPU_WORKER_HOSTNAMES": "host-0.svc,host-1.svc", "TPU_WORKER_ID": "1"}, True),
    ({"TPU_PROCESS_ADDRESSES": "host-0:8476,host-1:8476"}, True),
    ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
    ({"TPU_WORKER_HOSTNAMES": "host-0.svc", "MEGASCALE_NUM_SLICES": "2"}, True),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False),
])
def test_processes_are_found_by_the_variables_of_a_launcher(variables, launched, started, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    start_processes(Recipe())
    assert started == [NONE] * launched


@pytest.mark.parametrize("installed", [False, True])
def test_indexed_jobs_of_kubernetes_need_its_package(installed, started, monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if installed else None)
    start_processes(Recipe())
    assert started == [NONE] * installed


def test_processes_that_are_named(started, monkeypatch):
    start_processes(Recipe(coordinator="a:1", num_processes=2, process_id=0))
    start_processes(Recipe(coordinator="auto"))
    assert started == [("a:1", 2, 0), NONE]
    with pytest.raises(OptionError, match="give all three"):
        start_processes(Recipe(num_processes=2))


def test_deterministic_runs_are_equal_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))
    for name in ("one", "two"):
        assert cli.main(["train", TINY, "--use-deterministic", "--out", str(tmp_path / name)]) == 0
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.slow
def test_the_deterministic_flag_reaches_xla(tmp_path):
    """XLA writes the options with which it compiled beside a dumped program."""
    program = """
import jax
from funcvision.train.recipe import Recipe
from funcvision.train.processes import start_processes

start_processes(Recipe(use_deterministic=True))
jax.jit(lambda x: x + 1)(1.0)
"""
    kept = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    subprocess.run(
        [sys.executable, "-c", program], check=True, env=kept | {"XLA_FLAGS": f"--xla_dump_to={tmp_path}"}, timeout=300,
    )
    options = [path.read_text(encoding="utf-8") for path in tmp_path.glob("*debug_options*")]
    assert options
    assert all("xla_gpu_deterministic_ops: true" in text for text in options)
