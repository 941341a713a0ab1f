"""`onceproof list`: what there is to name; apart, since the other commands import slowly."""

import argparse
from collections.abc import Iterator

import msgspec

from harness.brokers import BROKERS
from harness.engines.registry import ENGINES
from harness.faults import FAULTS
from harness.scenario import Scenario, to_json
from harness.stores import STORES
from harness.thresholds import NAMES
from scenarios import SCENARIOS
from scenarios.matrices import MATRICES

WIDTH_MAX = 32
"""Of the column of names; a longer name pushes its text aside."""
MUTANT = "a mutant: "


def list_all(arguments: argparse.Namespace) -> int:
    """Print names with what they are, or the fields of a scenario."""
    if arguments.fields:
        example = Scenario(name="NAME", summary="SUMMARY")
        print(msgspec.json.format(to_json(example), indent=2).decode())
        return 0
    for line in lines():
        print(line)
    return 0


def sections() -> dict[str, dict[str, str]]:
    """Title -> name -> text. Mutants stand apart from the engines that one would choose."""
    engines = {
        f"{name}:{variant}": (spec.summary, spec.recovery)
        for name, one in ENGINES.items()
        for variant in one.variants
        for spec in [one.spec(variant)]
    }
    return {
        "scenarios": {name: one.summary for name, one in SCENARIOS.items()},
        "matrices": {name: one.summary for name, one in MATRICES.items()},
        "engines": {
            name: f"{summary}; recovery {recovery}"
            for name, (summary, recovery) in engines.items()
            if not summary.startswith(MUTANT)
        },
        "stores": {name: f"durability {one.durability}" for name, one in STORES.items()},
        "brokers": dict.fromkeys(BROKERS, ""),
        "names for thresholds": {name: one.text for name, one in NAMES.items()},
        "faults": {name: (type(one).__doc__ or "").splitlines()[0] for name, one in FAULTS.items()},
        "mutants, which misbehave on purpose so that a checker must find it": {
            name: summary.removeprefix(MUTANT)
            for name, (summary, _) in engines.items()
            if summary.startswith(MUTANT)
        },
    }


def lines() -> Iterator[str]:
    """The sections as text, names of a section in one column."""
    for title, entries in sections().items():
        yield title
        width = min(max(map(len, entries), default=0), WIDTH_MAX)
        for name, text in entries.items():
            yield f"  {name:{width}}  {text}".rstrip()
