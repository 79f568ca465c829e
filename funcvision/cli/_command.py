"""The entry point of the command: finds the subcommand, runs it, and turns errors into one sentence."""

import argparse
import io
import sys

from . import bench, classify, convert, datasets, detect, evaluate, export, segment, serve, show, train

TYPE_CHECKING = False  # as in typing, whose import takes a tenth of the time of `funcvision --help`
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "convert": convert, "classify": classify, "detect": detect, "segment": segment, "show": show, "datasets": datasets,
    "train": train, "evaluate": evaluate,
    "export": export, "bench": bench, "serve": serve,
}


def main(argv: "Sequence[str] | None" = None) -> int:
    """Runs the command and returns its exit status.

    An error in the input is printed to stderr as one sentence, and the status is 2; after Ctrl-C it is 130. A
    character that the encoding of stdout lacks, as in the name of a class, is printed as an escape sequence.

    Args:
        argv: the arguments after the name of the program; those of the process by default.
    """
    parser = argparse.ArgumentParser(prog="funcvision", description="Vision models on JAX.")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.HELP, description=command.__doc__)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    arguments = parser.parse_args(_arranged(list(sys.argv[1:] if argv is None else argv)))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return arguments.run(arguments) or 0
    except (ValueError, OSError, MemoryError, ImportError) as error:
        print(f"funcvision: {_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("funcvision: interrupted", file=sys.stderr)
        return 130


def _arranged(argv: list[str]) -> list[str]:
    """The arguments, in the order that the subcommand wants for argparse."""
    if argv and argv[0] == "train":
        return [argv[0], *train.arranged(argv[1:])]
    return argv


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
