"""The `funcvision` command.

Each subcommand is a module with `HELP`, `add_arguments(parser)` and `run(arguments)`, and a line in `COMMANDS`. All of
them are imported for `funcvision --help`, so a module imports JAX, and whatever else takes time, inside of `run`.
"""

from ._command import COMMANDS, main

__all__ = ["COMMANDS", "main"]
