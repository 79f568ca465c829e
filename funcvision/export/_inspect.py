"""Inspects exported programs before they are used.

XLA's reader of programs trusts its input: changed bytes can crash the process that reads them. So a separate process
reads a program first. It also refuses programs that could do more than compute with their arguments: a custom call
runs a function of the process that XLA knows by name, such as a Python callback.

This file is also the script that the process runs. It reads programs in MLIR bytecode from its standard input, each
after eight bytes with its length. It prints the reason for which it refuses one, or nothing. It imports MLIR and not
jax, which takes a fifth of the time.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["Inspection", "objection", "objection_to_claims"]

_SECONDS = 120  # that the inspection of all programs of a file may take
_DIALECTS = ("builtin", "func", "stablehlo", "chlo", "sdy")  # whose operations jax exports
_FORBIDDEN = ("stablehlo.infeed", "stablehlo.outfeed", "stablehlo.send", "stablehlo.recv")  # wait for another program
_HARMLESS = re.compile(  # custom calls that jax keeps stable and that compute or annotate only
    r"shape_assertion|Sharding|SPMDFullToShardShape|SPMDShardToFullShape|annotate_device_placement|AllocateBuffer|"
    r"ApproxTopK|mhlo\.\w+|stablehlo\.dynamic_\w+|cu_threefry2x32_ffi|hip_threefry2x32_ffi|"
    r"Eigh|Qr|LuDecomposition|ProductOfElementaryHouseholderReflectors|"
    r"lapack_\w+_ffi|(?:cu|hip)(?:solver|blas)_\w+_ffi|cu_lu_pivots_to_permutation|hip_lu_pivots_to_permutation"
)


class Inspection:
    """A process that inspects the programs of a file. It starts at once, while the caller prepares other things."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-S", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment,
        )

    def objection(self, exported: Sequence[Any]) -> str | None:
        """Why one of the programs, and of their derivatives, is refused; None if none is."""
        modules = [one.mlir_module_serialized for program in exported for one in _with_derivatives(program)]
        given = b"".join(len(module).to_bytes(8, "little") + module for module in modules)
        try:
            output, errors = self._process.communicate(given, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            return f"it could not be inspected within {_SECONDS} seconds"
        if (status := self._process.returncode) == 0:
            return output.decode(errors="replace").strip() or None
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        return f"its inspection failed with exit status {status}" + "".join(f" ({line[:200]})" for line in last)

    def __enter__(self) -> "Inspection":
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def objection(exported: Any) -> str | None:
    """Why a program, or its derivative, is refused, found in this process; None if it is not."""
    if (reason := objection_to_claims(exported)) is not None:
        return reason
    return next(filter(None, (_objection_to(one.mlir_module_serialized) for one in _with_derivatives(exported))), None)


def objection_to_claims(exported: Any) -> str | None:
    """Why a program, or its derivative, is refused for what it says of itself; None if it is not."""
    for one in _with_derivatives(exported):
        if one.nr_devices != 1:
            return f"it is for {one.nr_devices} devices, and one is supported"
        if one.ordered_effects or one.unordered_effects:
            return "it has side effects"
        if one.disabled_safety_checks:
            return "it was exported with disabled safety checks"
    return None


def _with_derivatives(exported: Any) -> Iterator[Any]:
    """A program, its derivative, the derivative of that, and so on."""
    while exported is not None:
        yield exported
        exported = exported.vjp() if exported.has_vjp() else None


def _objection_to(module: bytes) -> str | None:
    """Why a program in MLIR bytecode is refused; None if it is not."""
    from jaxlib.mlir import ir
    from jaxlib.mlir.dialects import chlo, mhlo, sdy, stablehlo

    found: list[str] = []

    def visit(operation: Any) -> Any:
        name = operation.name
        if name.partition(".")[0] not in _DIALECTS or name in _FORBIDDEN:
            found.append(f"it has the operation {name!r}")
        elif name == "stablehlo.custom_call":
            target = ir.StringAttr(operation.attributes["call_target_name"]).value
            if not _HARMLESS.fullmatch(target):
                found.append(f"it calls {target!r}, a function outside the program")
        return ir.WalkResult.INTERRUPT if found else ir.WalkResult.ADVANCE

    with ir.Context() as context:
        for dialect in (chlo, sdy, stablehlo):
            dialect.register_dialect(context)
        mhlo.register_mhlo_dialect(context)
        context.load_all_available_dialects()
        try:
            operation = stablehlo.deserialize_portable_artifact(context, module).operation
        except Exception as error:
            return f"XLA cannot read it ({type(error).__name__}: {str(error)[:200]})".replace("\n", " ")
        operation.walk(visit)
    return found[0] if found else None


def _main() -> None:
    while length := sys.stdin.buffer.read(8):
        if (reason := _objection_to(sys.stdin.buffer.read(int.from_bytes(length, "little")))) is not None:
            print(reason)
            return


if __name__ == "__main__":
    _main()
