"""Fixtures of the tests of exported files."""

import pytest


@pytest.fixture(scope="package", autouse=True)
def own_home(tmp_path_factory):
    """What is remembered about inspected programs stays within the run of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNCVISION_HOME", str(tmp_path_factory.mktemp("home")))
        yield
