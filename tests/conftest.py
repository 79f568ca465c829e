"""Settings of all tests: strict promotion and two virtual CPU devices. Tests that are not run are reported."""

import atexit
import importlib.util
import os
import pathlib
import shutil
import tempfile

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import pytest

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # tested code turns the cache on; keep it out of the home directory
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="funcvision-compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

HAS_TORCH = bool(importlib.util.find_spec("torch") and importlib.util.find_spec("torchvision"))
MISSING = "tests/parity is NOT run: it compares with torch 2.13 and torchvision 0.28, which are not installed"

collect_ignore = ["ports/scripts"]  # test_ports.py reads and runs them; they import torch
if not HAS_TORCH:
    if os.environ.get("FUNCVISION_REQUIRE_TORCH"):
        raise pytest.UsageError(MISSING)
    collect_ignore.append("parity")


def pytest_report_header(config: pytest.Config) -> str | None:
    return None if HAS_TORCH else MISSING


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr or any("::" in argument for argument in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


_MOST_MEMORY = 5 << 30  # bytes of a process; the compiled programs of all tests together would take more


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Between two files of tests, forgets compiled programs if they take too much memory."""
    pages = pathlib.Path("/proc/self/statm")
    if (nextitem is None or nextitem.path != item.path) and pages.exists():
        resident = int(pages.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        if resident > _MOST_MEMORY:
            import jax

            jax.clear_caches()


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of real data sets beside a development checkout. Where there is none, the test is skipped."""
    folder = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the development data sets are not beside this checkout")
    return folder
