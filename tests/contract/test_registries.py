"""Registries, names and the tables of the docs say the same."""

import ast
import inspect
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path

import pytest

from harness import scenario as specs
from harness.engines.registry import ENGINES
from harness.expressions import BYTES, COUNT, PER_SECOND, SECONDS
from harness.faults import FAULTS
from harness.measures.figures import FIGURES
from harness.plan import PATTERN_STEPS
from harness.scenario import FaultSpec, LlmSpec, LoadSpec, Scenario
from harness.stores import STORES
from harness.thresholds import NAMES
from scenarios import SCENARIOS
from scenarios.matrices import MATRICES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "authoring-scenarios.md"
GATE_PAGE = ROOT / "docs" / "gate.md"
UNIT_WORDS = {COUNT: "number", SECONDS: "duration", PER_SECOND: "rate", BYTES: "size"}
RECORDS = {"": Scenario, "load.": LoadSpec, "llm.": LlmSpec, "faults.N.": FaultSpec}


def first_sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def tables() -> dict[str, list[tuple[str, ...]]]:
    """What the page must say, by the name of the table."""
    return {
        "scenarios": [(f"`{name}`", one.summary) for name, one in SCENARIOS.items()],
        "matrices": [(f"`{name}`", one.summary) for name, one in MATRICES.items()],
        "patterns": [
            (f"`{name}`", first_sentence(function.__doc__))
            for name, function in PATTERN_STEPS.items()
        ],
        "faults": [
            (f"`{name}`", first_sentence(type(one).__doc__)) for name, one in FAULTS.items()
        ],
        "engines": [
            (f"`{name}:{variant}`", spec.summary, spec.recovery, ", ".join(spec.stores))
            for name, one in ENGINES.items()
            for variant in one.variants
            for spec in [one.spec(variant)]
        ],
        "stores": [
            (f"`{name}`", first_sentence(one.__doc__), one.durability)
            for name, one in STORES.items()
        ],
        "costs": [
            (
                f"`{one.name}`",
                one.text,
                one.unit,
                ratio_of(one.tolerance_ratio),
                ratio_of(one.tolerance_faulted_ratio),
            )
            for one in FIGURES
            if not one.is_timing
        ],
        "timings": [
            (f"`{one.name}`", one.text, ratio_of(one.tolerance_ratio))
            for one in FIGURES
            if one.is_timing
        ],
        "thresholds": [
            (f"`{name}`", UNIT_WORDS[one.dimension], one.text, "yes" if one.is_live else "")
            for name, one in NAMES.items()
        ],
        "fields": [
            (f"`{prefix}{field.name}`", default_of(field), texts.get(field.name, ""))
            for prefix, record in RECORDS.items()
            for texts in [texts_of(record)]
            for field in fields(record)
            if field.name not in ("schema", "load", "llm", "faults")
        ],
    }


def page_of(name: str) -> Path:
    """The page that has a table."""
    return GATE_PAGE if name in ("costs", "timings") else PAGE


def ratio_of(tolerance: float) -> str:
    return f"{tolerance:.1%}" if tolerance else "nothing: exact"


def default_of(field: "Field[object]") -> str:
    if field.default is not MISSING:
        if field.default == "":
            return '`""`'
        return "`null`" if field.default is None else f"`{field.default}`"
    if field.default_factory is not MISSING:
        return f"`{field.default_factory()}`"
    return "required"


def texts_of(record: type) -> dict[str, str]:
    """The line under each field of a record."""
    (found,) = ast.parse(inspect.getsource(record)).body
    assert isinstance(found, ast.ClassDef)
    texts = {}
    for one, after in zip(found.body, found.body[1:], strict=False):
        if (
            isinstance(one, ast.AnnAssign)
            and isinstance(one.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            texts[one.target.id] = " ".join(str(after.value.value).split()).replace("|", "\\|")
    return texts


def row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells).replace("``", "`") + " |"


@pytest.mark.parametrize("name", sorted(tables()))
def test_the_table_of_the_page_is_the_registrys(name: str) -> None:
    """On a difference: the rows that this prints belong between the marks of the page."""
    text = page_of(name).read_text()
    found = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert found, f"{page_of(name).name} has no table between `<!-- {name} -->` and `<!-- end -->`"

    rows = [line for line in found.group(1).splitlines() if line.startswith("|")][2:]

    assert "\n".join(rows) == "\n".join(row(cells) for cells in tables()[name])


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_a_scenarios_file_has_its_name(name: str) -> None:
    """What stands on the command line is what a stranger looks for in the folder."""
    assert SCENARIOS[name].name == name
    assert (ROOT / "scenarios" / f"{name}.py").exists()


def test_names_in_registries_are_the_things_own() -> None:
    """A result names its engine, store and fault as the command line does."""
    assert list(ENGINES) == [one.name for one in ENGINES.values()]
    assert list(FAULTS) == [one.kind for one in FAULTS.values()]
    assert list(STORES) == [one.name for one in STORES.values()]
    assert list(MATRICES) == [one.name for one in MATRICES.values()]


def test_every_name_can_stand_on_the_command_line_and_in_a_path() -> None:
    """A run's folder is made of them, with dots and colons between."""
    for name in (*SCENARIOS, *MATRICES, *ENGINES, *FAULTS, *STORES, *specs.PATTERNS):
        assert re.fullmatch(r"[a-z][a-z0-9_-]*", name)


def test_stores_of_an_engine_are_stores_of_ours() -> None:
    """The first is its default; an unknown one could never be asked for."""
    for engine in ENGINES.values():
        for variant in engine.variants:
            spec = engine.spec(variant)
            assert spec.stores
            assert set(spec.stores) <= set(STORES)
            assert spec.recovery in ("native", "assisted", "none")
            assert spec.intake in ("durable", "volatile")


def test_every_matrix_names_what_there_is() -> None:
    """A matrix of ours never fails on a name."""
    for matrix in MATRICES.values():
        for entry in matrix.entries:
            assert entry.scenario in SCENARIOS
            assert entry.cell.engine in ENGINES


def test_the_design_page_points_at_what_there_is() -> None:
    """Every path of ours that the page names exists."""
    text = (ROOT / "docs" / "design.md").read_text()
    named = set(re.findall(r"`((?:harness|scenarios|tests|reports|components)/[\w./]*)`", text))

    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []
