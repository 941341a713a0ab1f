"""One conformance suite for every engine of the registry and both example workers, on real parts.

Each engine stands once, as a run would set it up: one pod, with its sidecar, store and control
plane where it has them. A first variant stands for its engine; what a variant's own promises are
worth is for runs to show, and test_worker_contract.py looks closer at those without a sidecar.
"""

from pathlib import Path

import pytest

from harness.oracle import outcome_receipt
from harness.patterns import MESSAGED, PATTERN_STEPS
from harness.runner.order import PATTERN_KINDS
from tests.contract.engine_stand import (
    EXAMPLES,
    NAMES,
    NOT_ALONE,
    SEED,
    lacking_parts,
    program_of,
    spec_of,
    standing,
)

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_keeps_the_contract(name: str, tmp_path: Path) -> None:
    """What it is, each pattern it names, a refused kind, a second start, an unknown agent, a kill.

    One engine's whole way in one test, since standing up costs more than all of it.
    """
    spec = spec_of(name)
    if reason := lacking_parts(spec):
        pytest.skip(reason)
    with standing(name, tmp_path / "run") as stand:
        assert stand.about  # Its versions; that the rest agrees with the adapter was checked there.
        assert stand.ask("GET", "/agents/nobody").status_code == 404

        known = {name for name, kinds in PATTERN_KINDS.items() if set(kinds) <= set(spec.kinds)}
        can = [name for name in PATTERN_STEPS if name in known - NOT_ALONE - MESSAGED]
        calm = [program_of(f"calm-{pattern}", pattern) for pattern in can]
        assert [stand.post(one) for one in (*calm, calm[0])] == [202] * (len(calm) + 1)
        assert stand.outcomes(calm) == {one.agent: outcome_receipt(one, SEED) for one in calm}
        assert stand.post(calm[0]) == 202
        for one in calm:
            assert set(stand.attempts(one.agent).values()) == {1}, one.agent

        cannot = [] if name in EXAMPLES else sorted(set(PATTERN_STEPS) - known - NOT_ALONE)
        for pattern in cannot:
            assert stand.post(program_of(f"refused-{pattern}", pattern)) == 400
            assert stand.view(f"refused-{pattern}") == {"status": "absent"}

        struck = [program_of(f"struck-{number}", "chain") for number in range(4)]
        assert {stand.post(one) for one in struck} == {202}
        stand.until(lambda: stand.attempts("struck-3")[("2", 0)] > 0, "a mid-run")
        stand.kill_and_replace()
        if spec.recovery != "native":
            assert {stand.post(one) for one in struck} == {202}
        assert stand.outcomes(struck) == {one.agent: outcome_receipt(one, SEED) for one in struck}
