"""An agent's timeline in words, with what the engine's own history dates."""

from harness.commits import AgentCommits, Commit, EngineHistory
from harness.explain import explain
from mock_llm.receipts import render
from tests.histories.build import S, ask, chain, evidence_of, outcome


def test_a_commit_stands_where_the_clocks_put_it() -> None:
    """After the answer that it keeps and before the next request, with its receipt and span."""
    evidence = evidence_of(
        ask("a1", "1"), ask("a1", "2"), outcome("a1"), programs=[chain("a1", "1", "2")]
    )
    requests = evidence.requests
    since_ns = int(requests.end_ns[0]) + S // 2
    commit = Commit(
        receipt=render(int(requests.receipt[0]), int(requests.mark[0])),
        since_ns=since_ns + 40,
        until_ns=since_ns + 40 + S // 4,
    )
    history = EngineHistory(
        wall_ns=40, monotonic_ns=0, agents=(AgentCommits(agent="a1", commits=(commit,)),)
    )

    lines = explain(evidence, "a1", history).splitlines()

    (place,) = (number for number, line in enumerate(lines) if "engine's history" in line)
    assert "answered" in lines[place - 1]
    assert "asks: step 2" in lines[place + 1]
    assert lines[place].endswith(f".{int(requests.mark[0]):x}, 0.250 s later at most")
    assert len(explain(evidence, "a1").splitlines()) == len(lines) - 1
