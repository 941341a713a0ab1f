"""The runner asks the engine for its history: whom, how long, and what it makes of the answers."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import pytest

from harness.archive import read_history
from harness.clock import ManualClock
from harness.commits import Commit, Commits, EngineHistory
from harness.protocols import EngineSpec
from harness.runner import histories
from harness.runner.histories import Asker, chosen
from harness.runner.roster import Roster
from mock_llm.ledger import Record
from tests.histories.build import Teller, Told, ask, begin, chain, fired, healed, outcome
from tests.unit.test_supervisor import FakePods

SPEC = EngineSpec(
    engine="e",
    variant="v",
    summary="",
    recovery="native",
    intake="durable",
    any_pod_answers=False,
    kinds=("say",),
    worker=("true",),
)
COMMIT = Commit(receipt="<<00000000000000ff.1>>", since_ns=1, until_ns=2)
AGENTS = ("a1", "a2", "a3", "a4")


def records_of(*told: Told) -> list[Record]:
    """The ledger of a story."""
    teller = Teller({name: chain(name, "1", "2") for name in AGENTS})
    for one in told:
        one.line(teller)
    return teller.records


def test_agents_that_repeated_come_first_then_those_that_were_hit() -> None:
    """Hit: at work on the victim, without an outcome; all others are nobody's business."""
    told = [
        ask("a1", "1", caller="agents-0.1"),
        *(ask("a2", "1", caller="agents-0.1"), ask("a2", "2"), outcome("a2")),
        begin("a3", "1", caller="agents-1.1"),
        *(ask("a4", "1", outcome="limited"), ask("a4", "1", caller="agents-2.1")),
        *(fired("agents-0.1"), healed()),
        *(ask("a3", "1", caller="agents-1.1"), ask("a3", "1", caller="agents-1.1")),
    ]

    assert chosen(records_of(*told), AGENTS) == ["a3", "a1"]
    assert chosen(records_of(*told), ("a1",)) == ["a1"]
    assert chosen(records_of(*told[:5]), AGENTS) == []


def test_a_shared_fault_hits_every_agent_at_work() -> None:
    """Its victims are services, not callers."""
    told = [ask("a1", "1"), ask("a2", "1"), outcome("a2"), fired(is_shared=True)]

    assert chosen(records_of(*told), AGENTS) == ["a1"]


Answer = Callable[[httpx.Request], httpx.Response]


def asked(
    tmp_path: Path,
    answer: Answer,
    *,
    spec: EngineSpec = SPEC,
    agents: int = 2,
    is_up: bool = True,
    is_interrupted: bool = False,
) -> EngineHistory:
    """What stands in history.json when a run of so many struck agents was asked."""
    clock = ManualClock(now_ns=50)
    pods = FakePods(clock)
    pods.by_slot["agents-1"].is_ready = is_up
    names = [f"a{number}" for number in range(agents)]
    teller = Teller({name: chain(name, "1") for name in names})
    for name in names:
        ask(name, "1", caller="agents-1.1").line(teller)
    fired("agents-1.1").line(teller)
    roster = Roster(events=tmp_path / "none", slots=dict.fromkeys(names, "agents-1"), programs={})

    async def run() -> None:
        interrupted = asyncio.Event()
        if is_interrupted:
            interrupted.set()
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            asker = Asker(
                agents=frozenset(names),
                spec=spec,
                pods=pods,
                roster=roster,
                clock=clock,
                http=http,
                offset_ns=clock.anchor_ns - 7,
                interrupted=interrupted,
            )
            await asker.ask(iter(teller.records), tmp_path / "history.json")

    asyncio.run(run())
    return read_history(tmp_path / "history.json")


def commits(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=msgspec.json.encode(Commits(commits=[COMMIT])))


def test_what_was_answered_is_read_back(tmp_path: Path) -> None:
    """Through the file, with both clocks and how far the wall clock had moved."""
    found = asked(tmp_path, commits)

    assert [(one.agent, one.commits) for one in found.agents] == [
        ("a0", (COMMIT,)),
        ("a1", (COMMIT,)),
    ]
    assert (found.reason, found.bound, found.chosen_count) == ("", "", 2)
    assert (found.wall_ns - found.monotonic_ns, found.drift_ns) == (ManualClock().anchor_ns, 7)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (httpx.Response(501, json={"reason": "not here"}), "answered 501"),
        (httpx.Response(200, content=b"[]"), "no commits in the answer"),
        (httpx.Response(200, content=b"\xff"), "no commits in the answer"),
        (
            httpx.Response(200, json={"commits": [{"receipt": "", "since_ns": -1, "until_ns": 1}]}),
            "no commits in the answer",
        ),
        (httpx.Response(200, content=b" " * (histories.BODY_BYTES_MAX + 1)), "bytes; at most"),
    ],
)
def test_an_answer_that_is_none_is_a_problem_of_its_agent(
    tmp_path: Path, answer: httpx.Response, problem: str
) -> None:
    """In words; the run goes on."""
    found = asked(tmp_path, lambda _: answer, agents=1)

    assert problem in found.agents[0].problem
    assert found.agents[0].commits == ()


def test_a_pod_that_is_down_or_cut_off_is_a_problem(tmp_path: Path) -> None:
    """Nobody is asked then, or nobody answers."""

    def cut(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone", request=request)

    assert "no pod" in asked(tmp_path, commits, is_up=False).agents[0].problem
    assert "gone" in asked(tmp_path, cut).agents[0].problem


def test_an_engine_that_has_none_is_not_asked(tmp_path: Path) -> None:
    """Its own reason stands in the file; so does that nobody was struck."""
    lacking = replace(SPEC, lacks={"history": "not implemented: why"})

    assert asked(tmp_path, commits, spec=lacking).reason == "not implemented: why"
    assert "no fault hit" in asked(tmp_path, commits, agents=0).reason


def test_the_number_of_agents_is_bounded_and_the_bound_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is left out, in words."""
    monkeypatch.setattr(histories, "AGENTS_MAX", 3)
    found = asked(tmp_path, commits, agents=5)

    assert (len(found.agents), found.chosen_count) == (3, 5)
    assert found.bound == "2 agents were left out: at most 3 are asked, 20 s"


def test_an_interrupted_run_asks_nobody_and_says_so(tmp_path: Path) -> None:
    """Ctrl-C is not answered with twenty more seconds."""
    found = asked(tmp_path, commits, is_interrupted=True)

    assert found.agents == ()
    assert found.bound == "2 agents were left out: the run was interrupted"


def test_the_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that never answers costs the figure, not the run."""
    monkeypatch.setattr(histories, "ASKING_S", 0.05)

    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    found = asked(tmp_path, never)  # type: ignore[arg-type]

    assert found.agents == ()
    assert found.bound.startswith("2 agents were left out")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "history.json"),
        (b'{"schema": 99}', "schema is 99"),
        (b"[" * 100_000, "history.json"),
        (b'{"wall_ns": 1' + b"0" * 400 + b"}", "history.json"),
        (json.dumps({"drift_ns": 2**62}).encode(), "history.json"),
        (b'{"agents": [{"agent": "\xff"}]}', "history.json"),
    ],
)
def test_a_file_that_no_run_wrote_is_a_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    """Cut, nested, foreign or huge: the figure is missing, and says why."""
    (tmp_path / "history.json").write_bytes(data)

    assert reason in read_history(tmp_path / "history.json").reason
    assert "no history.json" in read_history(tmp_path / "absent").reason
