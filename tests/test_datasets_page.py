"""The tables of `docs/datasets.md` are those of the program."""

import inspect
import pathlib
import re

from funcvision.cli.datasets import markdown_table
from funcvision.vision import datasets

PAGE = (pathlib.Path(__file__).parent.parent / "docs" / "datasets.md").read_text(encoding="utf-8")


def test_the_table_of_all_data_sets():
    table = markdown_table([datasets.describe(name) for name in datasets.list_datasets()])
    assert PAGE.endswith(f"\n\n{table}\n"), "print the table anew: funcvision datasets --markdown"


def test_the_table_of_keys():
    """It is that of the docstring of `typed`."""
    lines = (inspect.getdoc(datasets.typed) or "").splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert "\n".join(table) in PAGE


def test_the_names_in_the_text_are_there():
    for name in re.findall(r'datasets\.load\("(\w+)"', PAGE) + re.findall(r"funcvision datasets (\w+)", PAGE):
        assert name in datasets.list_datasets()
