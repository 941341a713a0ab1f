"""The worker contract, kept by every worker: real processes, the real witness, real kills."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.commits import Commits
from harness.engines.contract import About
from harness.oracle import outcome_receipt, required_of
from harness.patterns import FAILING, MESSAGED, PATTERN_STEPS
from harness.scenario import Program
from mock_llm import receipts
from tests.contract.worker_stand import (
    DEADLINE_S,
    ENGINES,
    SEED,
    Slot,
    Witness,
    closing,
    program_of,
    refused,
    running_witness,
    struck,
)

KEEPS_RESULTS = ("reference", "control:guarded", "langgraph", "dbos")
KEEPS_MOST = ("crewai:flow-checkpoint",)
"""What was kept is not asked again; the last result may not have been kept yet when it was used,
and now and then a checkpoint makes the agent fail: docs/findings/0003-crewai-checkpoints.md."""
CHECKPOINT_PANIC = "dictionary changed size during iteration"
OFFERS_NO_KEY = ("control:naive", "langgraph", "crewai:crew", "crewai:flow-checkpoint")


def lacking(engine: str, program: Program) -> str:
    """Why an engine cannot run a program, in its own words; empty when it can."""
    adapter, variant = ENGINES[engine]
    spec = adapter.spec(variant)
    kinds = [step.kind for step in program.steps if step.kind not in spec.kinds]
    return "; ".join(f"not implemented: {kind}: {spec.lacks[kind]}" for kind in kinds)


def is_native(engine: str) -> bool:
    """Whether an engine goes on after a kill without being asked to."""
    adapter, variant = ENGINES[engine]
    return adapter.spec(variant).recovery == "native"


def expected_of_chain(program: Program) -> int:
    """The receipt that the outcome of a chain must carry."""
    value = receipts.receipt(SEED, program.agent, "1", 0, [])
    for step in program.steps[1:]:
        value = receipts.receipt(SEED, program.agent, step.path, 0, [value])
    return value


@pytest.fixture(scope="module")
def calm_witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """A witness that answers almost at once."""
    with running_witness(tmp_path_factory.mktemp("calm"), latency_ms=5) as witness:
        yield witness


@pytest.fixture(scope="module")
def slots(
    calm_witness: Witness, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Slot]]:
    """A pod of each engine, started when it is first needed."""
    started: dict[str, Slot] = {}
    yield started
    for slot in started.values():
        with closing(slot):
            pass


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    """The engine's name in ENGINES."""
    return str(request.param)


@pytest.fixture
def pod(
    engine: str,
    slots: dict[str, Slot],
    calm_witness: Witness,
    tmp_path_factory: pytest.TempPathFactory,
) -> Slot:
    """A healthy pod that tests share; each has agents of its own."""
    if engine not in slots:
        folder = tmp_path_factory.mktemp("pod")
        name = f"agents-{list(ENGINES).index(engine)}"
        slots[engine] = Slot(engine, calm_witness, folder, name=name)
        slots[engine].start()
    return slots[engine]


def test_about_agrees_with_the_adapter(engine: str, pod: Slot) -> None:
    """What a worker says of itself is what the harness was told."""
    about = msgspec.json.decode(pod.ask("GET", "/about").content, type=About)

    adapter, variant = ENGINES[engine]
    spec = adapter.spec(variant)
    told = (spec.engine, spec.variant, spec.recovery, spec.intake, spec.any_pod_answers, spec.kinds)
    assert told == (
        *(about.engine, about.variant, about.recovery, about.intake),
        *(about.any_pod_answers, about.kinds),
    )
    assert about.versions


@pytest.mark.parametrize("pattern", sorted(set(PATTERN_STEPS) - FAILING - MESSAGED))
def test_each_pattern_ends_completed_with_its_receipt(engine: str, pod: Slot, pattern: str) -> None:
    """Each pattern runs to the end: what the plan demands, once, and the oracle's outcome."""
    program = program_of(f"{engine}-{pattern}", pattern)
    if reason := lacking(engine, program):
        pytest.skip(reason)

    assert pod.post(program) == 202
    for step in program.steps:
        if step.kind == "receive":
            pod.send(program.agent, step.path)

    view = pod.until_ended([program])[program.agent]
    if engine in KEEPS_MOST and CHECKPOINT_PANIC in view["output"]:
        pytest.xfail("its checkpoint ended the run: docs/findings/0003-crewai-checkpoints.md, 3")
    assert view["status"] == "completed", view
    (receipt,) = receipts.find(view["output"])
    assert receipt.value == outcome_receipt(program, SEED)
    attempts = pod.witness.attempts()
    own = {key: count for key, count in attempts.items() if key[0] == program.agent}
    assert set(own.values()) == {1}
    heard = {step.path for step in program.steps if step.kind == "receive"}
    assert {(path, turn) for _, path, turn in own} == {
        (row.path, row.turn)
        for row in required_of(program, SEED)
        if not row.is_tool and row.path not in heard
    }


def test_later_prompts_show_every_predecessor(engine: str, pod: Slot) -> None:
    """The aggregation's request shows the receipts of all branches: no answer is left out."""
    program = program_of(f"{engine}-shown", "parallel")
    pod.post(program)
    pod.until_ended([program])

    begins = [one for one in pod.witness.begins() if one.agent == program.agent]
    (last,) = [one for one in begins if one.is_last]
    shown = {value for _, kind, value, _ in last.context if kind == "r"}
    assert {receipts.tag_of(value) for value in shown} == {
        receipts.tag(program.agent, path) for path in program.steps[-1].after
    }


def test_a_tool_result_is_the_receipt_of_its_effect(engine: str, pod: Slot) -> None:
    """Each tool call has one effect, and the next turn shows its receipt as the tool's result."""
    program = program_of(f"{engine}-tool", "tools")
    pod.post(program)
    pod.until_ended([program])

    begins = [one for one in pod.witness.begins() if one.agent == program.agent]
    effects = [one.path for one in begins if one.kind == "effect"]
    assert sorted(effects) == [f"2.t{turn}.c0" for turn in range(program.steps[1].turns)]
    (final,) = [one for one in begins if one.path == "2" and one.turn == program.steps[1].turns]
    results = [
        receipts.tag_of(v) for role, kind, v, _ in final.context if (role, kind) == ("t", "r")
    ]
    assert results == [receipts.tag(program.agent, path) for path in sorted(effects)]


def test_a_second_start_changes_nothing(engine: str, pod: Slot) -> None:
    """Already exists is 202, while the agent runs and after its end, and no step runs again."""
    program = program_of(f"{engine}-twice", "chain")

    assert [pod.post(program), pod.post(program)] == [202, 202]
    pod.until_ended([program])
    assert pod.post(program) == 202
    assert pod.until_ended([program])[program.agent]["status"] == "completed"
    attempts = pod.witness.attempts()
    assert {attempts[(program.agent, step.path, 0)] for step in program.steps} == {1}


def test_an_unknown_agent_is_not_found(pod: Slot) -> None:
    """404 is what allows the driver to start an agent again."""
    assert pod.status("GET", "/agents/nobody") == 404
    assert pod.ask("POST", "/agents/status", {"ids": ["nobody"]}).json() == {"agents": {}}


def test_the_engines_own_history_dates_every_result(engine: str, pod: Slot) -> None:
    """Each answer and tool result, after the witness gave it and before now; 501 without one.

    CrewAI keeps a method's state when it ends: of a step with tools the last answer alone.
    """
    adapter, variant = ENGINES[engine]
    program = program_of(f"{engine}-history", "tools")
    pod.post(program)
    view = pod.until_ended([program])[program.agent]
    if engine in KEEPS_MOST and CHECKPOINT_PANIC in view["output"]:
        pytest.xfail("its checkpoint ended the run: docs/findings/0003-crewai-checkpoints.md, 3")
    answer = pod.ask("GET", f"/agents/{program.agent}/history")
    if "history" in adapter.spec(variant).lacks:
        assert answer.status_code == 501
        return

    commits = msgspec.json.decode(answer.content, type=Commits).commits
    kept = {receipt.mark: one for one in commits for receipt in receipts.find(one.receipt)}
    given = pod.witness.given(program.agent, whole_steps=engine in KEEPS_MOST)
    assert set(kept) == set(given)
    for mark, given_ns in given.items():
        assert given_ns - 1_000_000 <= kept[mark].since_ns <= kept[mark].until_ns <= time.time_ns()
    assert pod.status("GET", "/agents/nobody/history") == 404


def test_a_status_may_be_asked_for_with_a_wait(engine: str, pod: Slot) -> None:
    """Held or not, the answer is true; a wait that is no number or too long is refused."""
    program = program_of(f"{engine}-wait", "chain")
    pod.post(program)
    pod.until_ended([program])

    assert pod.ask("GET", f"/agents/{program.agent}?wait_s=1").json()["status"] == "completed"
    assert pod.status("GET", f"/agents/{program.agent}?wait_s=soon") == 400
    assert pod.status("GET", f"/agents/{program.agent}?wait_s=3600") == 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"agent": "a1"}, "program"),
        (
            {"agent": "a1", "program": {"agent": "a2", "steps": [{"path": "1", "kind": "say"}]}},
            "a2",
        ),
        ({"agent": "a1", "program": {"agent": "a1", "steps": []}}, "steps is empty"),
        (
            {
                "agent": "a1",
                "program": {"agent": "a1", "steps": [{"path": "1", "kind": "publish"}]},
            },
            "publish",
        ),
    ],
)
def test_a_bad_program_is_refused_with_a_reason(
    pod: Slot, body: dict[str, object], reason: str
) -> None:
    """400 names what is wrong, and nothing was started."""
    answer = pod.ask("POST", "/agents", body)

    assert answer.status_code == 400
    assert reason in answer.json()["reason"]
    assert pod.status("GET", "/agents/a1") == 404


def test_an_event_for_nobody_is_refused(engine: str, pod: Slot) -> None:
    """404 for an agent that is not known here, 400 without a name: never silently dropped.

    501 where agents cannot wait for events.
    """
    adapter, variant = ENGINES[engine]
    takes_events = "receive" in adapter.spec(variant).kinds
    event = {"name": "e", "payload": ""}

    assert pod.status("POST", "/agents/nobody/events", event) == (404 if takes_events else 501)
    assert pod.status("POST", "/agents/nobody/events", {}) == (400 if takes_events else 501)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ONCEPROOF_STATE_DIR", "/nowhere", "/nowhere"),
        ("ONCEPROOF_VARIANT", "absent", "default"),
        ("ONCEPROOF_PORT", "", "ONCEPROOF_PORT is not set"),
    ],
)
def test_a_worker_that_cannot_open_ends_with_its_reason(
    calm_witness: Witness, tmp_path: Path, name: str, value: str, reason: str
) -> None:
    """A crash before health is an exit status and a message, never a worker that hangs."""
    with closing(Slot("reference", calm_witness, tmp_path)) as slot:
        slot.spawn(**{name: value})
        assert slot.process is not None

        assert slot.process.wait(timeout=DEADLINE_S) != 0
        assert reason in slot.log.read_text()


@pytest.mark.parametrize(
    ("engine", "times"),
    [("langgraph", 9), ("crewai:flow-checkpoint", 9), ("crewai:crew", 27)],
    indirect=["engine"],
)
def test_a_429_is_multiplied(engine: str, pod: Slot, times: int) -> None:
    """A call refused for good costs nine requests of LangGraph's node and of CrewAI's LLM, and
    twenty-seven of a crew; test_known_facts.py has the SDK's own three.
    """
    program = refused(f"{engine}-refused")

    assert pod.post(program) == 202
    assert pod.until_ended([program])[program.agent]["status"] == "failed"
    assert len([one for one in pod.witness.begins() if one.agent == program.agent]) == times


def test_after_a_kill_each_engine_goes_on_as_it_says(engine: str, tmp_path: Path) -> None:
    """Native recovery needs nobody, assisted a start; with a ledger nothing used is repeated."""
    with struck(engine, tmp_path, signal.SIGKILL) as (slot, programs):
        before = slot.witness.attempts()
        used = {
            value
            for begin in slot.witness.begins()
            for _, kind, value, _ in begin.context
            if kind in "rc"
        }
        slot.start()
        if not is_native(engine):
            assert {slot.post(program) for program in programs} == {202}
        views = slot.until_ended(programs)
        attempts, applied = slot.witness.attempts(), slot.witness.applied()

    completed = [one for one in programs if views[one.agent]["status"] == "completed"]
    assert len(completed) >= len(programs) - (2 if engine in KEEPS_MOST else 0)
    for program in set(completed) & set(programs[:6]):
        (receipt,) = receipts.find(views[program.agent]["output"])
        assert receipt.value == expected_of_chain(program)
    repeated = {key for key, count in attempts.items() if count > 1}
    assert repeated <= set(before)
    if engine in KEEPS_RESULTS:
        assert len(repeated) <= len(programs)
        repeated_tags = {
            receipts.tag(agent, path) for agent, path, _ in repeated if agent[0] == "c"
        }
        assert not repeated_tags & {receipts.tag_of(value) for value in used}
        assert engine in OFFERS_NO_KEY or set(applied.values()) == {1}
    elif engine in KEEPS_MOST:
        assert repeated < set(before)
    else:
        first = {(program.agent, "1", 0) for program in programs}
        assert first & set(before) <= repeated
        assert len(first & repeated) > len(programs) / 2


def test_sigterm_ends_a_worker_within_a_second(engine: str, tmp_path: Path) -> None:
    """A stop in the middle of work is quick and in order, and what was kept stays kept.

    On a machine that is crowded, the worker's own deadline may end it.
    """
    with struck(engine, tmp_path, signal.SIGTERM) as (slot, programs):
        is_crowded = os.getloadavg()[0] > (os.cpu_count() or 1)
        assert slot.process is not None
        assert slot.process.returncode in ((0, -signal.SIGALRM) if is_crowded else (0,))
        assert slot.log.read_text() == "" or engine in KEEPS_MOST
        slot.start()
        known = slot.views(programs)
        assert len(known) == (len(programs) if is_native(engine) else 0)
        begun_s = time.monotonic()
        slot.stop(signal.SIGTERM)
        assert time.monotonic() - begun_s < (3.0 if is_crowded else 1.0)
