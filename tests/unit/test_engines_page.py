"""docs/engines.md says what the registry says: each engine and variant, each step kind."""

import re
from dataclasses import astuple
from pathlib import Path

import pytest

from harness.engines.registry import ENGINES
from harness.engines.walk import KINDS as STEP_KINDS
from harness.engines.walk import MESSAGE_KINDS
from harness.protocols import EngineSpec
from harness.runner.effort import effort_of

ROOT = Path(__file__).resolve().parents[2]
KINDS = (*STEP_KINDS, *MESSAGE_KINDS)
PAGE = ROOT / "docs" / "engines.md"


def specs() -> list[EngineSpec]:
    """Every engine and variant; of the reference the default alone."""
    return [
        one.spec(variant)
        for name, one in ENGINES.items()
        for variant in (one.variants[:1] if name == "reference" else one.variants)
    ]


def shown_kinds() -> list[str]:
    """Kinds that any engine has, in the order of the contract."""
    known = {kind for spec in specs() for kind in spec.kinds}
    return [kind for kind in KINDS if kind in known]


def name_of(spec: EngineSpec) -> str:
    return f"`{spec.engine}:{spec.variant}`"


def tables() -> dict[str, list[tuple[str, ...]]]:
    """What the page must say, by the name of the table."""
    shown = shown_kinds()
    return {
        "kinds": [
            (name_of(spec), *("yes" if kind in spec.kinds else "–" for kind in shown))
            for spec in specs()
        ],
        "lacks": lacks(),
        "ways": [
            (
                *(name_of(spec), spec.recovery, spec.intake),
                "any pod" if spec.any_pod_answers else "its own",
                "daprd" if spec.needs_dapr else "–",
                ", ".join(spec.stores),
                *map(str, astuple(effort_of(spec, spec.stores[0]))),
            )
            for spec in specs()
        ],
        "exports": [(named(those), how) for how, those in exporting().items()],
    }


def named(those: list[EngineSpec]) -> str:
    """Each variant; an engine's name alone where most are meant, with those that are not."""
    found = []
    for engine in dict.fromkeys(spec.engine for spec in those):
        variants = {spec.variant: spec in those for spec in specs() if spec.engine == engine}
        others = [variant for variant, is_meant in variants.items() if not is_meant]
        if len(variants) == 1 or 2 * len(others) >= len(variants):
            found += [name_of(spec) for spec in those if spec.engine == engine]
        else:
            but = ", ".join(f"`{variant}`" for variant in others)
            found.append(f"`{engine}`" + (f" (not {but})" if but else ""))
    return ", ".join(found)


def lacks() -> list[tuple[str, ...]]:
    """Who, the features that have one reason, the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for (what, reason), those in lacking().items():
        found.setdefault((named(those), reason), []).append(what)
    return [(who, ", ".join(whats), reason) for (who, reason), whats in found.items()]


def exporting() -> dict[str, list[EngineSpec]]:
    """How spans leave -> the engines whose spans leave so."""
    found: dict[str, list[EngineSpec]] = {}
    for spec in specs():
        if spec.exports:
            found.setdefault(spec.exports, []).append(spec)
    return found


def lacking() -> dict[tuple[str, str], list[EngineSpec]]:
    """Feature and reason -> the engines that say so; a kind without one is said to have none."""
    found: dict[tuple[str, str], list[EngineSpec]] = {}
    for spec in specs():
        missing = {kind: "no reason is given" for kind in shown_kinds() if kind not in spec.kinds}
        if spec.brokers == ("none",):
            missing |= dict.fromkeys(MESSAGE_KINDS, "it has no messages over a broker")
        for what, reason in (missing | dict(spec.lacks)).items():
            found.setdefault((what, reason.replace("|", "\\|")), []).append(spec)
    return found


@pytest.mark.parametrize("name", sorted(tables()))
def test_the_table_of_the_page_is_the_registrys(name: str) -> None:
    """On a difference: run `make tables`."""
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", PAGE.read_text(), re.DOTALL)
    assert found is not None

    head, _, *rows = found.group(1).splitlines()

    assert rows == ["| " + " | ".join(cells) + " |" for cells in tables()[name]]
    assert name != "kinds" or head == "| engine | " + " | ".join(shown_kinds()) + " |"


def test_what_an_engine_lacks_it_does_not_have() -> None:
    """A kind is either named or has its reason, never both."""
    for spec in specs():
        assert set(spec.kinds) <= set(KINDS), spec.engine
        assert not set(spec.lacks) & set(spec.kinds), spec.engine
