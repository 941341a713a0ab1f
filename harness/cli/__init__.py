"""The command line: names to records, everything wrong in one message, and one exit code."""

import importlib
import sys

from harness.cli.arguments import parser
from harness.errors import OnceproofError


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit by its verdict."""
    parsed = parser().parse_args(arguments)
    if parsed.command is None:
        parser().print_help()
        sys.exit(254)
    # Behind the parser, since plots and evidence take seconds to import and help needs neither.
    commands = importlib.import_module("harness.cli.commands")
    try:
        code = commands.COMMANDS[parsed.command](parsed)
    except OnceproofError as error:
        print(f"onceproof: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:
        code = 255
    sys.exit(code)
