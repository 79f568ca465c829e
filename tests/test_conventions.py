"""The rules of the code base that a program can check. `docs/architecture.md` and `CONTRIBUTING.md` explain them."""

import ast
import importlib
import inspect
import pathlib
import pkgutil
import re
from collections.abc import Iterator

import pytest

import funcvision

ROOT = pathlib.Path(funcvision.__file__).parent
MAY_IMPORT = {  # each floor and the floors below it that it may import; "__init__" is the package's own public face
    "_home": set(),
    "_compilation_cache": {"_home"},
    "functional": set(),
    "nn": {"functional"},
    "data": {"functional"},
    "_weight_files": {"functional"},
    "eager": {"functional", "nn", "data", "_weight_files"},
    "export": {"functional", "_home", "_weight_files", "vision"},  # vision prepares images; running a file needs none
    "vision": {"functional", "nn", "data", "eager", "quantize", "_home", "_weight_files"},
    "train": {"functional", "nn", "data", "vision"},
    "quantize": {"functional", "nn"},
    "serve": {"export", "vision", "__init__"},
    "cli": {"functional", "nn", "data", "export", "vision", "train", "serve", "_home", "_compilation_cache",
            "__init__"},
    "__main__": {"cli"},
    "__init__": {"functional", "nn", "data", "eager", "export", "quantize", "vision", "train", "_compilation_cache"},
}
FILES = sorted(ROOT.rglob("*.py"))
MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages([str(ROOT)], "funcvision.") if not name.endswith("__main__")
)
KINDS_OF_TRANSFORMS = {
    "container", "conversion", "geometry", "color", "filters", "boxes", "augment", "auto_augment", "temporal",
    "warp", "crops", "scale", "contrast", "dropout", "detection", "sanitize", "mosaic",
}
CODE = ("funcvision", "tests", "examples", "benchmarks")
SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises")  # in the order in which a docstring has them
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
each_module = pytest.mark.parametrize("name", MODULES)


# Imports


def dotted(path: pathlib.Path) -> str:
    """The name of the module in a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("funcvision", *(parts[:-1] if parts[-1] == "__init__" else parts)))


def imports(path: pathlib.Path) -> set[str]:
    """The modules of funcvision that a file imports anywhere, by their dotted names.

    `from ..nn import init` imports `funcvision.nn.init`, a module; `from ..nn import Linear` imports `funcvision.nn`.
    """
    package = ("funcvision", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            names = {".".join([*base, alias.name]) for alias in node.names}
            found |= {name if name in MODULES else ".".join(base) for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "funcvision"}


@each_file
def test_imports_go_down(path):
    floor = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert floor in MAY_IMPORT, f"{floor} is new: say in MAY_IMPORT which floors are below it"
    others = {(*name.split("."), "__init__")[1] for name in imports(path)} - {floor}
    assert others <= MAY_IMPORT[floor], f"{floor} imports {sorted(others - MAY_IMPORT[floor])}"


def test_no_two_files_import_each_other():
    """Takes away, again and again, the modules that import nothing that is left. A circle is what cannot be taken."""
    left = {dotted(path): imports(path) - {dotted(path)} for path in FILES}
    while free := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in free:
            del left[name]
    while outer := [name for name in left if not any(name in wanted for wanted in left.values())]:
        for name in outer:  # it leads to a circle and is not on one
            del left[name]
    assert not left, {name: sorted(wanted & left.keys()) for name, wanted in left.items()}


@each_file
def test_convolutions_have_one_door(path):
    inner = [name for name in imports(path) if name.startswith("funcvision.functional._conv.")]
    assert not inner or "_conv" in path.parts, f"import these from functional._conv itself: {inner}"


def test_transforms_and_their_kernels_are_in_files_by_kind():
    folder = ROOT / "vision" / "transforms"
    transforms, kernels = ({path.stem for path in f.glob("[!_]*.py")} for f in (folder, folder / "functional"))
    assert transforms - {"transform", "sample", "presets"} <= KINDS_OF_TRANSFORMS
    assert kernels <= KINDS_OF_TRANSFORMS - {"container"}


# Files


@each_file
def test_files(path):
    source = path.read_text(encoding="utf-8")
    assert path.stem not in {"utils", "helpers", "common", "misc"}
    assert source.count("\n") <= 600
    tree = ast.parse(source)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)], "an assert in library code"
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    swallowed = [h.lineno for h in handlers if all(isinstance(statement, ast.Pass) for statement in h.body)]
    assert not swallowed, f"exceptions swallowed in lines {swallowed}"


@pytest.mark.parametrize("path", [p for p in FILES if p.name == "__init__.py"], ids=dotted)
def test_the_init_of_a_folder_only_hands_names_on(path):
    """Imports, `__all__`, a version, and what imports a name when it is first used.

    `TYPE_CHECKING = False` stands for the one of `typing` where that import would take too long.
    """
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []
        names += [node.name] if isinstance(node, ast.FunctionDef) else []
        hands_on = isinstance(node, ast.Import | ast.ImportFrom) or ast.unparse(node).startswith("if TYPE_CHECKING:")
        hands_on |= isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        known = {"__all__", "__version__", "__getattr__", "__dir__", "TYPE_CHECKING"}
        assert hands_on or set(names) & known, ast.unparse(node)


def test_no_file_speaks_of_this_machine():
    pattern = re.compile(r"/work/|/root/|/home/|/opt/")
    for glob in ("*.md", "*.toml", ".ci/*", "docs/*.[cm]*", *(f"{folder}/**/*.py" for folder in CODE)):
        for path in set(ROOT.parent.glob(glob)) - {pathlib.Path(__file__)}:
            assert not pattern.search(path.read_text(encoding="utf-8")), path


# Public names and docstrings


@each_module
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


@each_module
def test_random_functions_call_their_key_key(name):
    module = importlib.import_module(name)
    for symbol in getattr(module, "__all__", ()):
        value = getattr(module, symbol)
        if inspect.isfunction(value):
            names = set(inspect.signature(value).parameters)
            assert not names & {"rng", "prng", "prng_key", "rng_key", "seed_key"}, f"{name}.{symbol}{names}"


Documented = ast.FunctionDef | ast.ClassDef


def documented(path: pathlib.Path) -> Iterator[tuple[Documented, str]]:
    """The functions, methods and classes of a file that have a docstring, and the docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)):
            yield node, text


def parameters(node: Documented) -> set[str] | None:
    """What can be given to a function, or to a class by `__init__` or as a field; None where the source cannot tell."""
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        plain = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        return None if arguments.kwarg else plain | ({arguments.vararg.arg} if arguments.vararg else set())
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            return parameters(method)
    if any(ast.unparse(base) not in ("NamedTuple", "abc.ABC", "Exception") for base in node.bases):
        return None
    return {field.target.id for field in node.body if isinstance(field, ast.AnnAssign)}  # pyright: ignore


def sections(text: str) -> list[tuple[str, list[str]]]:
    """The parts of a docstring, each a heading and its lines; what precedes the first heading has the heading ""."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in text.splitlines():
        if heading := re.fullmatch(r"([A-Z]\w*):", line):
            parts.append((heading[1], []))
        elif line and line[0] != " " and parts[-1][0]:
            parts.append(("", [line]))
        else:
            parts[-1][1].append(line)
    return parts


def entries(lines: list[str]) -> list[str]:
    """The names that a section lists, in lines of the form "    name: text" or "    name, other: text"."""
    listed = [match[1] for line in lines if (match := re.match(r" {4}(\S[^:`]*):(?: |$)", line))]
    return [name for names in listed for name in names.split(", ")]


def faults(node: Documented, text: str) -> Iterator[str]:
    """What a docstring does otherwise than all others."""
    known, parts = parameters(node), sections(text)
    order = [SECTIONS.index(heading) for heading, _ in parts if heading in SECTIONS]
    if order != sorted(set(order)):
        yield f"the sections come once each, in the order {', '.join(SECTIONS)}"
    for heading, lines in parts:
        if heading and heading not in SECTIONS:
            yield f"it has a section {heading}, and the sections are {', '.join(SECTIONS)}"
        listed = {name.lstrip("*") for name in entries(lines)}
        if heading == "Args" and known is not None and listed - known:
            yield f"Args lists {sorted(listed - known)}, which cannot be given"
        if heading == "Raises" and (others := [name for name in listed if not name[0].isupper()]):
            yield f"Raises lists {others}, which are no exceptions"
        if not heading:
            bare = {match[1] for line in lines if (match := re.match(r"\s*[-*]?\s*`?(\w+)`?: ", line))}
            if bare & (known or set()):
                yield f"{sorted(bare & (known or set()))} are described outside the sections Args and Attributes"
            if any(re.match(r"\s*(:\w+[ \w]*:|-{3,}$)", line) for line in lines):
                yield "it has a list in the style of Sphinx or numpy"


@each_file
def test_docstrings_have_one_style(path):
    """Google's: Ruff checks the first line and the blank lines, this test the sections and what they list."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {fault}"
        for node, text in documented(path) for fault in faults(node, text)
    ]
    assert not found, "\n" + "\n".join(found)
