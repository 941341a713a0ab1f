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
        "lacks": [(", ".join(names), what, reason) for (what, reason), names in lacking().items()],
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
        "exports": [(", ".join(names), how) for how, names in exporting().items()],
    }


def exporting() -> dict[str, list[str]]:
    """How spans leave -> the engines whose spans leave so."""
    found: dict[str, list[str]] = {}
    for spec in specs():
        if spec.exports:
            found.setdefault(spec.exports, []).append(name_of(spec))
    return found


def lacking() -> dict[tuple[str, str], list[str]]:
    """Feature and reason -> the engines that say so; a kind without one is said to have none."""
    found: dict[tuple[str, str], list[str]] = {}
    for spec in specs():
        missing = {kind: "no reason is given" for kind in shown_kinds() if kind not in spec.kinds}
        if spec.brokers == ("none",):
            missing |= dict.fromkeys(MESSAGE_KINDS, "it has no messages over a broker")
        for what, reason in (missing | dict(spec.lacks)).items():
            found.setdefault((what, reason.replace("|", "\\|")), []).append(name_of(spec))
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
