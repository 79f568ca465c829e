"""The pages are true: their Python runs, block after block, as a reader would type it, and their lists are complete."""

import pathlib
import re
from types import ModuleType

import pytest

from funcvision.vision import datasets, ops, transforms

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BASES = {"Transform", "RandomTransform", "VisionDataset", "PublishedDataset"}  # to derive from, not to use


def blocks(page: pathlib.Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_code_blocks(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "readme"}
    for number, block in enumerate(blocks(page)):
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)


def test_the_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert 'pip install -e ".[examples]" && python examples/train_digits.py' in text
    assert 'pip install -e ".[test]" && pytest' in text


def test_every_page_that_is_named_exists():
    for page in (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"):
        for name in re.findall(r"`((?:docs|benchmarks|examples)/\w+\.\w+)`", page.read_text(encoding="utf-8")):
            assert (ROOT / name).is_file(), f"{page.name} names {name}"


def classes(module: ModuleType, base: type) -> set[str]:
    """The classes that a module exports for use, rather than to derive others from."""
    exported = {name: getattr(module, name) for name in module.__all__}
    return {name for name, value in exported.items() if isinstance(value, type) and issubclass(value, base)} - BASES


@pytest.mark.parametrize(("row", "exported"), [
    ("transforms", classes(transforms, transforms.Transform)),
    ("data sets", classes(datasets, datasets.VisionDataset)),
    ("operators", set(ops.__all__)),
])
def test_what_of_torchvision_is_there(row, exported):
    page = (ROOT / "docs" / "from_pytorch.md").read_text(encoding="utf-8")
    lines = re.findall(rf"^\| {row}(?:, beyond torchvision)? \| (.*) \|$", page, re.MULTILINE)
    assert lines
    assert set(re.findall(r"`(\w+)`", " ".join(lines))) == exported
