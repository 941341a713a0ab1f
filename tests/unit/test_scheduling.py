"""Tests side by side: what is made once for a module is made in one process alone."""

from pathlib import Path

from tests.conftest import TOGETHER, scope_of

TESTS = Path(__file__).parents[1]


def test_what_goes_together_has_one_scope() -> None:
    """The tests of one engine's pod, of one page and of one unit module; others stand alone."""
    contract, page = "tests/contract/test_worker_contract.py::", "tests/integration/test_page.py::"
    crew = [scope_of(f"{contract}test_x[crewai:crew{one}]") for one in ("", "-chain", "-tools")]
    flow = scope_of(f"{contract}test_x[crewai:flow-checkpoint-chain]")
    wide = [scope_of(f"{page}test_page_{one}[wide-{one}]") for one in ("fits", "has")]
    unit = [scope_of(f"tests/unit/test_ids.py::test_{one}") for one in ("a", "b")]
    alone = "tests/integration/test_keeper.py::test_sigterm_is_passed_on"

    assert [len(set(scopes)) for scopes in (crew, wide, unit)] == [1, 1, 1]
    assert len({crew[0], flow, wide[0], unit[0], alone}) == 5
    assert scope_of(alone) == alone


def test_no_module_with_a_fixture_of_its_own_is_forgotten() -> None:
    """Else each process would make it anew."""
    patterns = " ".join(one.pattern for one in TOGETHER)
    sharing = [
        path
        for path in TESTS.rglob("test_*.py")
        if "fixture(scope=" in path.read_text() and path.parent.name != "unit"
    ]

    assert len(sharing) > 3
    for path in sharing:
        assert path.stem.removeprefix("test_") in patterns, path
