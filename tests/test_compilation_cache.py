"""The folder of compiled programs: which folder is used, and that programs are written to it."""

import pathlib

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

import funcvision as fv


@pytest.fixture
def no_folder(monkeypatch):
    """Runs the test without a configured folder and restores the former one. The cache of the process is reset."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()


def test_default_folder(no_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    expected = str(tmp_path / "funcvision/compiled")
    assert fv.enable_compilation_cache() == jax.config.jax_compilation_cache_dir == expected
    monkeypatch.delenv("XDG_CACHE_HOME")
    jax.config.update("jax_compilation_cache_dir", None)
    assert fv.enable_compilation_cache() == str(pathlib.Path.home() / ".cache/funcvision/compiled")


def test_a_chosen_folder_stays(no_folder, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
    assert fv.enable_compilation_cache() == str(tmp_path / "mine")
    other = str(tmp_path / "other")
    assert fv.enable_compilation_cache(tmp_path / "other") == jax.config.jax_compilation_cache_dir == other


def test_programs_are_kept(no_folder, tmp_path):
    fv.enable_compilation_cache(tmp_path)
    before = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        jax.jit(lambda x: x * 3 + 41)(jnp.ones(7)).block_until_ready()
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", before)
    assert list(tmp_path.iterdir())
