"""Runs one source under torch and under `funcvision.eager`: only its import lines are exchanged."""

import pathlib
import re
from types import ModuleType

__all__ = ["SCRIPTS", "doubled", "exchanged", "imported"]

FOLDER = pathlib.Path(__file__).parent / "scripts"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))

_RULES = [  # in the order in which they are tried
    (r"^import torch$", "from funcvision import eager as torch"),
    (r"^import torch\.(\w+) as (\w+)$", r"from funcvision.eager import \1 as \2"),
    (r"^import torch\.([\w.]+)\.(\w+) as (\w+)$", r"from funcvision.eager.\1 import \2 as \3"),
    (r"^from torch import (.*)$", r"from funcvision.eager import \1"),
    (r"^from torch\.([\w.]+) import (.*)$", r"from funcvision.eager.\1 import \2"),
]


def exchanged(source: str) -> str:
    """The source with the imports of torch replaced by those of `funcvision.eager`."""
    lines = []
    for line in source.splitlines():
        for pattern, replacement in _RULES:
            line, count = re.subn(pattern, replacement, line)
            if count:
                break
        lines.append(line)
    return "\n".join(lines)


def doubled(source: str) -> str:
    """The source with float64 in place of float32."""
    source = source.replace("np.float32", "np.float64").replace("torch.float32", "torch.float64")
    return source.replace("dtype=torch.float)", "dtype=torch.double)").replace(".float()", ".double()")


def imported(name: str, *, torch: bool, double: bool = False) -> ModuleType:
    """A script as a module, under torch or under `funcvision.eager`, and in float64 if `double` is set."""
    path = FOLDER / f"{name}.py"
    source = path.read_text(encoding="utf-8")
    source = doubled(source) if double else source
    module = ModuleType(f"{name}_{'torch' if torch else 'eager'}")
    exec(compile(source if torch else exchanged(source), str(path), "exec"), vars(module))
    return module
