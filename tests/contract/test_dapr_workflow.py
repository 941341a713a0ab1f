"""What the variants of Dapr Workflow are for, on the real runtime."""

from pathlib import Path

import pytest

from harness.oracle import outcome_receipt
from tests.contract.engine_stand import SEED, lacking_parts, program_of, spec_of, standing

pytestmark = pytest.mark.integration


def test_two_apps_do_each_others_work(tmp_path: Path) -> None:
    """An agent lives in one app, and all its calls and its child agent are run by the other one."""
    name = "dapr_workflow:two-apps"
    if reason := lacking_parts(spec_of(name)):
        pytest.skip(reason)
    with standing(name, tmp_path / "run") as stand:
        programs = [program_of(f"far-{pattern}", pattern) for pattern in ("tools", "chain")]
        child = program_of("far-child", "child")
        assert {stand.post(one) for one in (*programs, child)} == {202}
        expected = {one.agent: outcome_receipt(one, SEED) for one in (*programs, child)}
        assert stand.outcomes([*programs, child]) == expected

        own = stand.pod.slot
        callers = {
            (one.agent, one.path): one.caller.partition(".")[0]
            for kind in ("step", "effect")
            for one in stand.begins(kind)
        }
        assert own not in {slot for (agent, _), slot in callers.items() if agent != child.agent}, (
            callers
        )
        # The child's own calls come back: its app has them run by this one.
        assert set(callers.values()) == set(stand.pods.by_slot)
        for one in (*programs, child):
            assert set(stand.attempts(one.agent).values()) == {1}


def test_continue_as_new_begins_a_new_history(tmp_path: Path) -> None:
    """Each step is asked once over all generations, and the last one's history has no earlier."""
    name = "dapr_workflow:continue-as-new"
    if reason := lacking_parts(spec_of(name)):
        pytest.skip(reason)
    with standing(name, tmp_path / "run") as stand:
        program = program_of("renewed", "chain")
        assert stand.post(program) == 202
        assert stand.outcomes([program]) == {"renewed": outcome_receipt(program, SEED)}

        assert set(stand.attempts("renewed").values()) == {1}
        assert len(stand.attempts("renewed")) == len(program.steps) > 2
        commits = stand.ask("GET", "/agents/renewed/history").json()["commits"]
        assert len(commits) < len(program.steps), commits
