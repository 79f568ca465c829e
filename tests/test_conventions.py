"""The rules of the code base that a program can check."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import re

import pytest

import funcvision

ROOT = pathlib.Path(funcvision.__file__).parent
BELOW = {  # what each floor may import of the others
    "functional": set(), "nn": {"functional"}, "eager": {"functional", "nn"}, "data": set(), "_home": set(),
    "vision": {"functional", "nn", "data", "_home"},
    "cli": {"functional", "nn", "data", "vision", "_compilation_cache"},
    "__main__": {"cli"}, "_compilation_cache": {"_home"},
}
FILES = sorted(ROOT.rglob("*.py"))
MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages([str(ROOT)], "funcvision.") if not name.endswith("__main__")
)


def imports(path: pathlib.Path) -> set[str]:
    """Dotted names of funcvision that a file imports."""
    package = ("funcvision", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            found |= {".".join([*base, alias.name]) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("funcvision.")}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
    floor = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if floor == "__init__":
        return  # the public face names every floor
    others = {name.split(".")[1] for name in imports(path)} & BELOW.keys() - {floor}
    assert others <= BELOW[floor], f"{floor} imports {others - BELOW[floor]}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files(path):
    source = path.read_text()
    assert path.stem not in {"utils", "helpers", "common", "misc"}
    assert source.count("\n") <= 600
    tree = ast.parse(source)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)], "an assert in library code"
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    swallowed = [h.lineno for h in handlers if all(isinstance(statement, ast.Pass) for statement in h.body)]
    assert not swallowed, f"exceptions swallowed in lines {swallowed}"


@pytest.mark.parametrize("name", MODULES)
def test_public_names(name):
    module = importlib.import_module(name)
    if "._" in name:
        return
    assert module.__doc__, f"{name} has no docstring"
    exported = module.__all__
    assert len(exported) == len(set(exported)), f"{name}.__all__ repeats a name"
    for symbol in exported:
        value = getattr(module, symbol)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__doc__, f"{name}.{symbol} has no docstring"
        if inspect.isclass(value) and value.__module__ == name:
            for method, function in vars(value).items():
                if inspect.isfunction(function) and not method.startswith("_") and method != "forward":
                    assert inspect.getdoc(getattr(value, method)), f"{name}.{symbol}.{method} has no docstring"


@pytest.mark.parametrize("name", MODULES)
def test_random_functions_call_their_key_key(name):
    module = importlib.import_module(name)
    for symbol in getattr(module, "__all__", ()):
        value = getattr(module, symbol)
        if inspect.isfunction(value):
            names = set(inspect.signature(value).parameters)
            assert not names & {"rng", "prng", "prng_key", "rng_key", "seed_key"}, f"{name}.{symbol}{names}"


def test_no_file_speaks_of_this_machine():
    pattern = re.compile(r"/work/|/root/|/home/|/opt/")
    for folder in ("funcvision", "tests", "examples", "benchmarks", "docs"):
        for path in (ROOT.parent / folder).rglob("*.py"):
            if path.name != "test_conventions.py":
                assert not pattern.search(path.read_text()), path
