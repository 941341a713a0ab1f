"""The command line: names to records, everything wrong in one message, and one exit code."""

import argparse
import importlib
import sys
from collections.abc import Callable

from harness.cli.arguments import parser
from harness.errors import OnceproofError


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit by its verdict."""
    parsed = parser().parse_args(arguments)
    if parsed.command is None:
        parser().print_help()
        sys.exit(254)
    try:
        code = _command(parsed.command)(parsed)
    except OnceproofError as error:
        print(f"onceproof: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        code = 255
    sys.exit(code)


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    """Imported behind the parser: help needs no engine; these need neither plots nor evidence."""
    apart = {
        "list": ("harness.cli.listing", "list_all"),
        "cluster": ("harness.cli.clustering", "cluster"),
    }
    if name in apart:
        module, function = apart[name]
        found: Callable[[argparse.Namespace], int] = getattr(
            importlib.import_module(module), function
        )
        return found
    commands: dict[str, Callable[[argparse.Namespace], int]] = importlib.import_module(
        "harness.cli.commands"
    ).COMMANDS
    return commands[name]
