"""Every text file is opened with an explicit encoding: that of the locale differs between machines."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FOLDERS = ("funcvision", "tests", "examples", "benchmarks")
FILES = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py"))


def opens_text(call: ast.Call) -> bool:
    """Whether a call opens, reads or writes a text file: `open`, a path's `open` with `newline`, and so on."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in ("read_text", "write_text"):
        return True
    if name == "open" and (isinstance(call.func, ast.Name) or "newline" in keywords):
        mode = keywords.get("mode", call.args[1] if len(call.args) > 1 else None)
        return not (isinstance(mode, ast.Constant) and "b" in str(mode.value)) and not isinstance(mode, ast.IfExp)
    return False


def without_encoding(source: str) -> list[int]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and opens_text(node)]
    return [call.lineno for call in calls if "encoding" not in {keyword.arg for keyword in call.keywords}]


def test_the_search_finds_what_it_must():
    source = "open(p)\nopen(p, 'w')\nopen(p, 'rb')\np.read_text()\np.write_text(x)\np.open(newline='')\nImage.open(p)\n"
    assert without_encoding(source) == [1, 2, 4, 5, 6]
    assert without_encoding("open(p, encoding='utf-8'); p.read_text(encoding='utf-8')") == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_files_are_opened_with_an_encoding(path):
    assert not without_encoding(path.read_text(encoding="utf-8"))
