"""`onceproof list`: everything that can be named, mutants apart, and nothing slow imported."""

import argparse
import subprocess
import sys

from harness.cli.arguments import parser
from harness.cli.listing import lines, sections
from harness.engines.registry import ENGINES
from scenarios import SCENARIOS


def test_everything_is_listed_once() -> None:
    """Each variant of each engine is an engine or a mutant, never both."""
    found = sections()
    mutants = next(entries for title, entries in found.items() if title.startswith("mutants"))
    variants = {f"{name}:{variant}" for name, one in ENGINES.items() for variant in one.variants}

    assert set(found["engines"]) | set(mutants) == variants
    assert not set(found["engines"]) & set(mutants)
    assert "reference:double-commit" in mutants
    assert set(found["scenarios"]) == set(SCENARIOS)
    assert "  control:naive" in "\n".join(lines())


def test_listing_draws_no_plot() -> None:
    """The listing imports neither plots nor evidence, which take seconds."""
    code = (
        "import sys, harness.cli.listing\n"
        "print([name for name in ('matplotlib', 'pyarrow', 'locust') if name in sys.modules])"
    )

    found = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_everything_on_the_command_line_has_its_help() -> None:
    """Whoever types --help learns what each word is for, and each command fits on one line."""
    (commands,) = (
        action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
    )

    mute = [
        f"{name} {action.dest}"
        for name, command in commands.choices.items()
        for action in command._actions
        if not action.help
    ]

    assert mute == []
    assert all(len(entry.help or "") <= 66 for entry in commands._choices_actions)
