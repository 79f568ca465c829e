"""Which functions of torch the eager face has. `python -m tests.parity.coverage` writes `docs/pytorch_coverage.md`."""

import importlib
import pathlib
import re
from typing import Any, NamedTuple

import torch
from torch.overrides import get_overridable_functions, resolve_name

from funcvision import eager

from .coverage_notes import ABSENT, DIFFERS, NOT_DIFFERENTIATED

__all__ = ["PAGE", "Row", "page", "rows", "share"]

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "pytorch_coverage.md"
SECTIONS = ("torch", "torch.Tensor", "torch.nn.functional", "torch.linalg", "torch.fft", "torch.special")
LEFT_OUT = {
    "sparse": "sparse|coalesce|_nnz|(c?col|c?row|crow|ccol)_indices|^indices|^values|^h?spmm|^s?smm|^sspaddmm|dense_dim"
    "|^to_dense|^hspmm|^spmm",
    "quantised": "quant(?!ile)|^q_|qscheme|int_repr|^fbgemm",
    "named": "^names?$|rename|refine|align_",
    "storage": "storage|data_ptr|share_memory|pin_memory|is_pinned|is_shared|record_stream|^set_$|is_set_to"
    "|^resize|__dlpack|module_load|^as_strided|_clear_non",
    "foreign devices": "^is_(ipu|maia|meta|mkldnn|mps|mtia|vulkan|xla|xpu|nested)$|^(ipu|mtia|xpu)$|mkldnn|miopen",
    "symbolic": "sym_",
}
"""Kinds of functions that the page leaves out, and the names of each kind."""

MAGIC = re.compile("__(?!array|dlpack|deepcopy|reduce|setstate|div__|idiv__|rdiv__|long__|nonzero__|format)[a-z]+__")
INTRODUCTION = """# What of PyTorch the eager face has

`python -m tests.parity.coverage` writes this page, and a test compares the two. It lists the functions that
`torch.overrides.get_overridable_functions()` names for torch 2.13, without the sparse, quantised and named ones, those
of storages and of foreign devices, and those without documentation. In-place forms end with an underscore.

"""


class Row(NamedTuple):
    """One function of torch.

    Attributes:
        section: the module or class.
        name: the name in it.
        state: "same", "differs" or "absent".
        note: how it differs or why it is absent.
        differentiates: whether gradients flow through it in torch.
    """

    section: str
    name: str
    state: str
    note: str
    differentiates: bool


def listed() -> list[tuple[str, str]]:
    """The (section, name) of each function that the page is about, in order."""
    found = set()
    for functions in get_overridable_functions().values():
        for function in functions:
            section, _, name = (resolve_name(function) or "").removesuffix(".__get__").rpartition(".")
            section = {"torch.functional": "torch"}.get(section, section)
            if section in SECTIONS and _is_meant(name, function):
                found.add((section, name))
    return sorted(found, key=lambda pair: (SECTIONS.index(pair[0]), pair[1].strip("_"), pair[1]))


def _is_meant(name: str, function: Any) -> bool:
    if name.startswith("_"):
        return bool(MAGIC.fullmatch(name))
    return bool(getattr(function, "__doc__", None)) and not any(re.search(names, name) for names in LEFT_OUT.values())


def rows() -> list[Row]:
    """A row for each function."""
    return [_row(section, name) for section, name in listed()]


def _row(section: str, name: str) -> Row:
    base = name if name.startswith("__") else name.removesuffix("_")
    if _is_there(section, name):
        note = DIFFERS.get(f"{section}.{name}") or DIFFERS.get(base) or ""
        state = "differs" if note else "same"
    else:
        state, note = "absent", ABSENT.get(f"{section}.{name}") or ABSENT.get(base) or "not yet"
    return Row(section, name, state, note, base not in NOT_DIFFERENTIATED)


def _is_there(section: str, name: str) -> bool:
    if section == "torch.Tensor":
        return hasattr(eager.Tensor, name)
    try:
        module = importlib.import_module(section.replace("torch", "funcvision.eager", 1))
    except ModuleNotFoundError:
        return False
    return callable(getattr(module, name, None))


def share(given: list[Row], differentiates: bool) -> tuple[int, int]:
    """(those that are there, all) of the functions that do or do not differentiate."""
    of_kind = [row for row in given if row.differentiates is differentiates]
    return sum(row.state != "absent" for row in of_kind), len(of_kind)


def page() -> str:
    """The text of the page."""
    table = rows()
    lines = [INTRODUCTION + "| | there | of | |", "| --- | --- | --- | --- |"]
    for kind, differentiates in (("differentiate", True), ("do not", False)):
        there, count = share(table, differentiates)
        lines.append(f"| {kind} | {there} | {count} | {100 * there // count}% |")
    for section in SECTIONS:
        lines += ["", f"## {section}", "", "| function | state | note |", "| --- | --- | --- |"]
        lines += [f"| `{row.name}` | {row.state} | {row.note} |" for row in table if row.section == section]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    assert torch.__version__.startswith("2.13"), f"the page is about torch 2.13, and this is {torch.__version__}"
    PAGE.write_text(page(), encoding="utf-8")
    for differentiates in (True, False):
        print("differentiate" if differentiates else "do not", *share(rows(), differentiates))
