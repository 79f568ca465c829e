"""Inspects exported programs before they are used. `inspect` starts this file as a script in a process of its own.

XLA's reader of programs trusts its input: changed bytes can crash the process that reads them. So a separate process
reads a program first. It also refuses programs that could do more than compute with their arguments: a custom call
runs a function of the process that XLA knows by name, such as a Python callback.

The script reads programs from its standard input, each after eight bytes with its length. It prints the reason for
which it refuses one, or nothing. It imports jax and nothing of funcvision.
"""

import os
import re
import subprocess
import sys
from typing import Any

__all__ = ["inspect", "objection"]

_SECONDS = 120  # that the inspection of all programs of a file may take
_FORBIDDEN = re.compile(r"stablehlo\.(?:infeed|outfeed|send|recv)\b")  # they wait for another program
_CUSTOM_CALL = re.compile(r'stablehlo\.custom_call @("[^"]*"|[^\s(]+)')
_HARMLESS = re.compile(  # custom calls that jax keeps stable and that compute or annotate only
    r"shape_assertion|Sharding|SPMDFullToShardShape|SPMDShardToFullShape|annotate_device_placement|AllocateBuffer|"
    r"ApproxTopK|mhlo\.\w+|stablehlo\.dynamic_\w+|cu_threefry2x32_ffi|hip_threefry2x32_ffi|"
    r"Eigh|Qr|LuDecomposition|ProductOfElementaryHouseholderReflectors|"
    r"lapack_\w+_ffi|(?:cu|hip)(?:solver|blas)_\w+_ffi|cu_lu_pivots_to_permutation|hip_lu_pivots_to_permutation"
)


def objection(program: bytes) -> str | None:
    """Why a program is refused; None if it is not."""
    import jax.export

    try:
        exported = jax.export.deserialize(bytearray(program))
    except Exception as error:
        return f"jax cannot read it ({type(error).__name__}: {str(error)[:200]})"
    while exported is not None:
        if (reason := _objection_to(exported)) is not None:
            return reason
        exported = exported.vjp() if exported.has_vjp() else None
    return None


def _objection_to(exported: Any) -> str | None:
    if exported.nr_devices != 1:
        return f"it is for {exported.nr_devices} devices, and one is supported"
    if exported.ordered_effects or exported.unordered_effects:
        return "it has side effects"
    if exported.disabled_safety_checks:
        return "it was exported with disabled safety checks"
    try:
        text = exported.mlir_module()
    except Exception as error:
        return f"XLA cannot read it ({type(error).__name__}: {str(error)[:200]})"
    targets = [name.strip('"') for name in _CUSTOM_CALL.findall(text)]
    if len(targets) != text.count("stablehlo.custom_call"):
        return "it has a malformed custom call"
    if unknown := [name for name in targets if not _HARMLESS.fullmatch(name)]:
        return f"it calls {unknown[0]!r}, a function outside the program"
    if (found := _FORBIDDEN.search(text)) is not None:
        return f"it has the operation {found[0]!r}"
    return None


def inspect(programs: list[bytes]) -> str | None:
    """Why one of the programs of a file is refused; None if none is. A separate process reads them."""
    given = b"".join(len(program).to_bytes(8, "little") + program for program in programs)
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__], input=given, capture_output=True, timeout=_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired:
        return f"it could not be inspected within {_SECONDS} seconds"
    if done.returncode == 0:
        return done.stdout.decode(errors="replace").strip() or None
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"its inspection failed with exit status {done.returncode}" + "".join(f" ({line[:200]})" for line in last)


def _main() -> None:
    while length := sys.stdin.buffer.read(8):
        if (reason := objection(sys.stdin.buffer.read(int.from_bytes(length, "little")))) is not None:
            print(reason)
            return


if __name__ == "__main__":
    _main()
