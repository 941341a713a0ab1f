"""A poison step: every attempt fails, nothing is executed, and nobody else is harmed."""

from pathlib import Path

import numpy as np

from harness.checkers import all_anomalies
from harness.engines.llm import SERVER_ERRORS_MAX, LlmError, polite_wait_s
from harness.history import RequestOutcome
from tests.mutants.stage import play


def test_every_attempt_is_on_file_as_failed_on_purpose(tmp_path: Path) -> None:
    """Status and outcome say what was planned; there is no receipt, so no effect."""
    evidence = play(tmp_path, "default", agents=6, mix={"poison": 1.0}).evidence
    requests, paths = evidence.requests, evidence.names.paths
    poisoned = requests.path == paths.index("2")

    assert np.count_nonzero(poisoned) > 6
    assert set(requests.outcome[poisoned].tolist()) == {RequestOutcome.FAULTED}
    assert set(requests.status[poisoned].tolist()) == {500}
    assert not requests.receipt[poisoned].any()
    assert "3" not in {paths[path] for path in requests.path[requests.path >= 0]}


def test_others_are_not_harmed(tmp_path: Path) -> None:
    """What is found is found in the poisoned agents alone: they do not end in time here."""
    played = play(tmp_path, "default", agents=16, mix={"poison": 1.0, "chain": 1.0})
    requests, names = played.evidence.requests, played.evidence.names
    is_failing = requests.outcome == RequestOutcome.FAULTED
    poisoned = {names.agents[agent] for agent in requests.agent[is_failing]}

    assert 0 < len(poisoned) < 16
    assert {one.agent for one in all_anomalies(played.evidence)} <= poisoned


def test_a_client_gives_up_on_a_broken_server() -> None:
    """A dozen errors are enough; a lost connection says nothing about the call, and is retried."""
    error = LlmError(500, "broken")

    assert polite_wait_s(error, SERVER_ERRORS_MAX - 1) is not None
    assert polite_wait_s(error, SERVER_ERRORS_MAX) is None
    assert polite_wait_s(LlmError(0, "reset"), SERVER_ERRORS_MAX) is not None
