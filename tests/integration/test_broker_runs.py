"""Whole runs whose agents get and send messages: over each broker, and across swaps."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.provide.brokers import brokers_at_hand
from harness.provide.chain import Refused
from harness.provide.runtime import runtime_providers
from harness.provide.strays import look
from mock_llm.ledger import Message, Note, read_ledger

pytestmark = pytest.mark.integration

SMALL = (
    *("load.agents=24", "load.rate_per_s=4", "load.warm_up_agents=0", "llm.latency_ms=200"),
    *("liveness_s=30", "run_s=150"),
)
LONG = (*SMALL, "load.agents=30", "load.rate_per_s=0.7")
"""Each of three swaps takes up to ten seconds, and comes by progress."""
HERE = brokers_at_hand()
PARTS = ("task", "answer")


def reason(*brokers: str) -> str:
    """Why a run over these cannot be here; empty when it can."""
    absent = [name for name in brokers if name not in HERE]
    if absent:
        return f"no {', '.join(absent)} here: `make services`"
    for provider in runtime_providers(lambda _: None)[:3]:
        try:
            provider.get()
        except Refused:
            continue
        return ""
    return "no Dapr runtime here: `make runtime`"


def ran(
    out: Path, scenario: str, *words: str, small: tuple[str, ...] = SMALL
) -> tuple[dict[str, Any], list[object]]:
    """Run it; its results and its ledger."""
    sets = [word for override in small for word in ("--set", override)]
    command = [sys.executable, "-m", "harness", "run", scenario, *words, *sets, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    (folder,) = (path.parent for path in out.glob("*/*/plan.json"))
    result = json.loads((folder / "results.json").read_text())
    assert result["state"] == "judged", done.stdout + done.stderr
    assert [seen.command for seen in look() if seen.run == str(folder.resolve())] == []
    return result, list(read_ledger(folder / "live").records)


def ids(records: list[object], what: str, broker: str = "") -> Counter[str]:
    """How often each message was told to be so."""
    return Counter(
        record.id
        for record in records
        if isinstance(record, Message) and record.what == what and broker in ("", record.broker)
    )


def notes(records: list[object], kind: str) -> list[str]:
    """Subjects of the notes of a kind, in order."""
    return [
        record.subject for record in records if isinstance(record, Note) and record.kind == kind
    ]


def test_a_drained_swap_loses_and_strands_nothing(tmp_path: Path) -> None:
    """Redis, Kafka, RabbitMQ, Redis in one run: each start and each result arrives."""
    if why := reason("redis", "kafka", "rabbitmq"):
        pytest.skip(why)

    result, records = ran(tmp_path, "broker_swap", small=LONG)
    notes_of = [f"n{path}.{place}" for path in (1, 2) for place in range(4)]
    planned = {
        f"a{number:06d}/{path}" for number in range(30) for path in ("start", "result", *notes_of)
    }

    assert result["agents_completed"] == 30
    assert notes(records, "broker") == ["redis", "kafka", "rabbitmq", "redis"]
    assert notes(records, "residue") == ["redis", "kafka", "rabbitmq"]
    assert ids(records, "acknowledged").keys() == planned
    assert ids(records, "delivered").keys() == planned
    assert not ids(records, "residue").keys() - ids(records, "delivered").keys()
    assert_the_brokers_agree(result, without_given={"rabbitmq"})


def test_poison_becomes_a_dead_letter_and_the_others_flow(tmp_path: Path) -> None:
    """A note that no handler takes is in the dead letters, all else with a handler; M holds."""
    if why := reason("redis"):
        pytest.skip(why)
    few = (*SMALL, "load.agents=10", "mix.poison_note=2", "mix.notes=2")

    result, records = ran(tmp_path, "dead_letters", small=few)
    poison = {record.id for record in records if isinstance(record, Message) and record.is_poison}

    assert poison
    assert ids(records, "dead_letter").keys() == poison
    assert ids(records, "delivered").keys() == ids(records, "acknowledged").keys()
    assert {ids(records, "delivered")[id] for id in poison} == {21}
    assert result["agents_completed"] == 10
    (promise,) = (row for row in result["promises"] if row["key"] == "M")  # type: ignore[attr-defined]
    assert promise["verdict"] == "valid"


def test_a_team_works_once_though_a_pod_dies(tmp_path: Path) -> None:
    """Each task starts one member, each answer reaches its lead; S1 and R hold over the team."""
    if why := reason("redis"):
        pytest.skip(why)
    few = (*SMALL, "load.agents=12", "faults.0.count=1", "faults.0.progress_to=0.5")

    result, records = ran(tmp_path, "team", small=few)
    paths = ("start", "result", *(f"{n}/{k}" for n in ("2.b0", "2.b1", "3.b0") for k in PARTS))
    planned = {f"a{number:06d}/{path}" for number in range(12) for path in paths}

    assert result["agents_completed"] == 12
    assert ids(records, "acknowledged").keys() == planned
    assert ids(records, "delivered").keys() == planned
    verdicts = {row["key"]: row["verdict"] for row in result["promises"]}  # type: ignore[attr-defined]
    assert "invalid" not in {verdicts[key] for key in ("L", "S1", "R", "M")}


def test_a_hard_swap_accounts_for_every_message(tmp_path: Path) -> None:
    """What was acknowledged was delivered, or is found in the old broker."""
    if why := reason("redis", "kafka"):
        pytest.skip(why)

    result, records = ran(tmp_path, "broker_swap_hard")

    known = ids(records, "delivered").keys() | ids(records, "residue").keys()
    assert notes(records, "broker") == ["redis", "kafka"]
    assert ids(records, "acknowledged").keys() <= known
    assert_the_brokers_agree(result)


def test_a_flip_behind_a_relay_accounts_for_every_message(tmp_path: Path) -> None:
    """Messages went to both servers; what was acknowledged was delivered, or is found in one."""
    if why := reason("redis"):
        pytest.skip(why)
    flip = ("--set", "faults.0.kind=broker_swap_flip", "--set", "faults.0.to=redis-2")

    result, records = ran(tmp_path, "broker_swap_hard", *flip)

    known = ids(records, "delivered").keys() | ids(records, "residue").keys()
    assert notes(records, "broker") == notes(records, "residue") == ["redis", "redis-2"]
    assert all(broker["acknowledged_count"] for broker in result["messages"]["brokers"])
    assert ids(records, "acknowledged").keys() <= known
    assert_the_brokers_agree(result, without_given={"redis", "redis-2"})


def assert_the_brokers_agree(
    result: dict[str, Any], *, without_given: frozenset[str] | set[str] = frozenset()
) -> None:
    """Each broker told its own counters, and they are those of the ledger."""
    messages = result["messages"]
    assert messages["disagreements"] == []
    for broker in messages["brokers"]:
        assert broker["own_left_count"] == broker["left_count"] >= 0
        is_told = broker["own_published_count"] >= broker["acknowledged_count"]
        assert is_told is (broker["name"] not in without_given)
