"""The witness as a real process: what it answered is on file, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.cluster.ports import Ports
from mock_llm import receipts
from mock_llm.ledger import Begin, End, LedgerRead, Message, Note, Outcome, read_ledger
from mock_llm.marker import Directive, Marker, prompt_with

pytestmark = pytest.mark.integration

SEED = 7
READY_S = 20
PORTS = Ports(os.getpid())
Start = Callable[..., "Server"]


@dataclass(kw_only=True)
class Server:
    """A witness of a test."""

    process: subprocess.Popen[bytes]
    port: int
    ledger: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=20)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def chat(self, agent: str, path: str = "1", caller: str = "p.0", **more: Any) -> httpx.Response:
        """One call for a step."""
        return self.client.post(
            f"/pods/{caller}/v1/chat/completions", json=body(agent, path), **more
        )

    def progress(self) -> dict[str, Any]:
        """GET /admin/progress."""
        answer: dict[str, Any] = self.client.get("/admin/progress").json()
        return answer

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Signal and reap; the exit status."""
        self.client.close()
        self.process.send_signal(number)
        return self.process.wait(timeout=10)

    def read(self) -> LedgerRead:
        """The ledger so far."""
        return read_ledger(self.ledger)


def body(agent: str, path: str = "1", text: str = "Go on.", **more: object) -> dict[str, Any]:
    """A request for the last step of an agent."""
    marker = Marker(
        agent=agent, path=path, predecessors=(), directive=Directive(kind="say", is_last=True)
    )
    messages = [{"role": "user", "content": prompt_with(marker, text)}]
    return {"model": "m", "messages": messages, **more}


def _wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_S
    while not is_so():
        assert time.monotonic() < deadline, f"waited {READY_S} s for {what}"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts witnesses on one ledger; ends what is left of them."""
    started: list[Server] = []

    def begin(**config: object) -> Server:
        settings = tmp_path / "config.json"
        settings.write_text(json.dumps({"latency_ms_median": 0, **config}))
        port = PORTS.take()
        options = {"port": port, "ledger": tmp_path / "ledger", "run": "r", "seed": SEED}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        process = subprocess.Popen(
            [sys.executable, "-m", "mock_llm.server", *words, "--config", str(settings)],
            cwd=Path(__file__).parents[2],
        )
        server = Server(process=process, port=port, ledger=tmp_path / "ledger")
        started.append(server)
        _wait_until(lambda: _is_ready(server), "the witness to be ready")
        return server

    yield begin
    for server in started:
        server.client.close()
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(timeout=10)


def _is_ready(server: Server) -> bool:
    assert server.process.poll() is None, "the witness ended before it was ready"
    try:
        return server.client.get("/admin/health").status_code == 200
    except httpx.ConnectError:
        return False


def test_every_answer_is_on_file_after_a_kill(start: Start) -> None:
    """SIGKILL under load: each answered request has its end, and a restart goes on."""
    server = start(latency_ms_median=5)
    answered: list[str] = []

    def drive(worker: int) -> None:
        with httpx.Client(base_url=server.url, timeout=10) as client:
            for step in range(10_000):
                try:
                    sent = client.post("/v1/chat/completions", json=body(f"a{worker}", str(step)))
                except httpx.TransportError:
                    return
                answered.append(sent.json()["id"])

    with ThreadPoolExecutor(4) as pool:
        for worker in range(4):
            pool.submit(drive, worker)
        _wait_until(lambda: len(answered) > 60, "answers")
        server.kill()
    read = server.read()
    ends = [one for one in read.records if isinstance(one, End) and one.outcome == "answered"]

    assert read.problems == []
    assert set(answered) <= {receipts.completion_id(end.receipt, end.mark) for end in ends}
    again = start()
    assert again.chat("z1").status_code == 200
    again.kill()
    assert again.read().problems == []


def test_sigterm_ends_it_quickly_and_ledgers_what_was_dropped(start: Start) -> None:
    """Exit 0 within seconds; a request in flight is ledgered as executed and dropped."""
    server = start(latency_ms_median=60_000, latency_sigma=0)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(httpx.post, f"{server.url}/v1/chat/completions", json=body("a1"))
        _wait_until(lambda: server.progress()["begun"] == 1, "the request")
        begun_ns = time.monotonic_ns()
        status = server.kill(signal.SIGTERM)
        assert isinstance(waiting.exception(timeout=10), httpx.TransportError) or (
            waiting.result().status_code == 500
        )

    assert status == 0
    assert time.monotonic_ns() - begun_ns < 8_000_000_000
    assert [one.outcome for one in server.read().records if isinstance(one, End)] == ["dropped"]


def test_client_that_leaves_is_priced(start: Start) -> None:
    """A caller that goes away behind the limiter has used a receipt: executed, client_gone."""
    server = start(latency_ms_median=60_000, latency_sigma=0)
    with pytest.raises(httpx.ReadTimeout):
        server.chat("a1", timeout=0.5)
    _wait_until(lambda: server.progress()["ends"] == {"client_gone": 1}, "the end")
    server.kill()

    begin, end = (one for one in server.read().records if isinstance(one, Begin | End))

    assert isinstance(begin, Begin)
    assert isinstance(end, End)
    assert (begin.agent, begin.is_last, begin.caller) == ("a1", True, "p.0")
    assert (end.outcome, end.status, end.mark) == ("client_gone", 0, begin.seq)
    assert end.receipt == receipts.receipt(SEED, "a1", "1", 0, [])
    assert end.completion_tokens > 0


def test_limited_requests_cost_nothing(start: Start) -> None:
    """The second of one a minute is refused with headers; limits count by key, not by pod."""
    server = start(requests_per_minute=1)
    first = server.chat("a1")
    second = server.chat("a2", caller="p.1", headers={"x-stainless-retry-count": "1"})
    third = server.chat("a3", headers={"authorization": "Bearer other"})
    server.kill()
    begin, end = [one for one in server.read().records if isinstance(one, Begin | End)][2:4]

    assert [one.status_code for one in (first, second, third)] == [200, 429, 200]
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert second.json()["error"]["code"] == "rate_limit_exceeded"
    assert 0 < int(second.headers["retry-after"]) <= 60
    assert isinstance(begin, Begin)
    assert isinstance(end, End)
    assert (begin.caller, begin.retry, end.outcome, end.receipt) == ("p.1", 1, "limited", 0)
    assert end.retry_after_ms == int(second.headers["retry-after-ms"])


def test_bad_requests_are_refused_and_on_file(start: Start) -> None:
    """Errors have the form that clients of the real service read."""
    server = start()
    url = "/v1/chat/completions"
    malformed = server.client.post(url, content=b"{")
    streaming = server.client.post(url, json=body("a1", stream=True))
    unknown = server.client.get("/v1/threads")
    large = server.client.post(url, content=b" " * (32 * 1024 * 1024 + 1))
    server.kill()

    codes = [one.status_code for one in (malformed, streaming, unknown, large)]
    assert codes == [400, 400, 404, 413]
    assert streaming.json()["error"]["message"] == "not implemented: streaming"
    assert malformed.json()["error"]["type"] == "invalid_request_error"
    records = server.read().records
    assert [one.kind for one in records if isinstance(one, Begin)] == ["aux", "step", "aux"]
    assert [(one.outcome, one.status) for one in records if isinstance(one, End)] == [
        ("refused", 400),
        ("refused", 400),
        ("refused", 413),
    ]


def test_effects_apply_once_per_key(start: Start) -> None:
    """Each attempt is on file; only the first of a key is applied, and all without a key."""
    server = start()
    value = receipts.render(5, 2)
    effect = {"agent": "a1", "path": "1.t0.c0", "value": value}
    sent = [
        server.client.post("/pods/p.0/effects", json={**effect, **key}).json()
        for key in ({"key": "k"}, {"key": "k"}, {}, {})
    ]
    server.kill()
    records = server.read().records
    begins = [one for one in records if isinstance(one, Begin)]

    assert [one["applied"] for one in sent] == [True, False, True, True]
    given = [receipts.find(one["receipt"])[0] for one in sent]
    assert {one.value for one in given} == {receipts.receipt(SEED, "a1", "1.t0.c0", 0, [5])}
    assert [one.mark for one in given] == [one.seq for one in begins]
    assert [(one.kind, one.key) for one in begins] == [
        ("effect", key) for key in ("k", "k", "", "")
    ]
    assert begins[0].context == [("t", "r", 5, 2)]
    applied = [one.is_applied for one in records if isinstance(one, End)]
    assert applied == [True, False, True, True]


def test_feed_progress_and_outcomes(start: Start) -> None:
    """A long poll hears of the last answer; the posted outcome is its use."""
    server = start()
    with ThreadPoolExecutor(1) as pool:
        url = f"{server.url}/admin/ends?after=0&wait_s=20"
        heard = pool.submit(httpx.get, url, timeout=30)
        answer = server.chat("a1").json()
        ends = heard.result().json()["ends"]
    text = answer["choices"][0]["message"]["content"]
    before = server.progress()
    note = server.client.post("/admin/notes", json={"kind": "phase", "subject": "s", "detail": "d"})
    outcomes = [{"agent": "a1", "status": "completed", "text": f"Done: {text}"}]
    posted = server.client.post("/admin/outcomes", json=outcomes)
    after = server.progress()
    server.kill()
    records = server.read().records

    assert [(end["agent"], end["caller"]) for end in ends] == [("a1", "p.0")]
    assert (before["unused"], after["unused"]) == ({"p.0": 1}, {})
    assert (after["answered_steps"], after["ended_agents"]) == (1, 1)
    assert after["requests_per_caller_in_flight"] == {}
    outcome, end = records[-1], next(one for one in records if isinstance(one, End))
    assert isinstance(outcome, Outcome)
    assert (outcome.receipt, outcome.mark) == (end.receipt, end.mark)
    assert outcome.seq == posted.json()["seq"] == note.json()["seq"] + 1
    assert [one.subject for one in records if isinstance(one, Note)] == ["witness", "s"]


def test_what_is_told_of_messages_is_on_file_after_a_kill(start: Start) -> None:
    """Workers and the harness tell in one order; a worker cannot look into a broker."""
    server = start()
    told = {"id": "a1/2", "topic": "plans", "key": "a1", "number": 3, "broker": "redis"}
    url = "/pods/p.0/messages"
    statuses = [
        server.client.post(url, json=body).status_code
        for body in (
            {"what": "publishing", **told, "is_poison": True},
            [{"what": "acknowledged", **told}, {"what": "delivered", "id": "a1/3", "topic": "t"}],
            {"what": "residue", **told},
            {"what": "delivered", "id": "", "topic": "t"},
            {"what": "delivered", "id": "a1/3", "topic": "t", "bytes": 3},
        )
    ]
    found = [{"what": "residue", **told}, {"what": "refused", **told}]
    posted = server.client.post("/admin/messages", json=found)
    progress = server.progress()
    metrics = server.client.get("/metrics").text
    server.kill()
    read = server.read()
    records = [one for one in read.records if isinstance(one, Message)]

    assert statuses == [204, 204, 400, 400, 400]
    assert (posted.status_code, posted.json()["count"]) == (200, 2)
    assert read.problems == []
    assert [(one.what, one.id, one.caller) for one in records] == [
        ("publishing", "a1/2", "p.0"),
        ("acknowledged", "a1/2", "p.0"),
        ("delivered", "a1/3", "p.0"),
        ("residue", "a1/2", "-"),
        ("refused", "a1/2", "-"),
    ]
    assert [one.is_poison for one in records] == [True, False, False, False, False]
    assert (records[0].key, records[0].number, records[0].broker) == ("a1", 3, "redis")
    assert (records[2].key, records[2].number, records[2].broker) == ("", -1, "")
    assert progress["messages"]["delivered"] == 1
    assert progress["undelivered"] == 1
    assert 'messages_total{what="residue"} 1' in metrics


def test_settings_change_in_mid_run(start: Start) -> None:
    """A change holds from the next request on, and is on file as a note."""
    server = start()
    server.client.post("/admin/config", json={"requests_per_minute": 1, "stable_answers": True})
    statuses = [server.chat(f"a{number}").status_code for number in range(2)]
    wrong = server.client.post("/admin/config", json={"latency": 3})
    metrics = server.client.get("/metrics").text
    server.kill()
    records = server.read().records

    assert statuses == [200, 429]
    assert wrong.status_code == 400
    assert 'onceproof_witness_ended_total{outcome="limited"} 1' in metrics
    assert [one.kind for one in records if isinstance(one, Note)] == ["config", "config"]
    assert next(one for one in records if isinstance(one, End)).mark == -1


def test_a_second_witness_is_refused(start: Start) -> None:
    """A busy port or a held ledger is said in one line, with 254, and leaves no segment."""
    server = start()
    command = [sys.executable, "-m", "mock_llm.server", "--run", "r", "--seed", "7"]
    for port, words in ((server.port, "cannot be had"), (PORTS.take(), "held by another writer")):
        ledger = ["--port", str(port), "--ledger", str(server.ledger)]
        second = subprocess.run(
            [*command, *ledger],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (second.returncode, words in second.stderr) == (254, True)
    assert len(list(server.ledger.iterdir())) == 1


def test_call_is_held_at_each_point_and_on_file_as_the_point_says(start: Start) -> None:
    """On arrival nothing is on file, once begun only the begin, when answering the end as well."""
    server = start()
    points = ("arrival", "begun", "answering")
    holds = [{"agent": f"h-{point}", "path": "1", "turn": 0, "point": point} for point in points]
    server.client.post("/admin/holds", json={"do": "place", "holds": holds})
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(server.chat, f"h-{point}") for point in points]
        asked = {"do": "wait", "holds": holds, "wait_s": READY_S}
        assert httpx.post(f"{server.url}/admin/holds", json=asked, timeout=30).json()["is_done"]
        records = server.read().records
        begins = {record.agent: record.seq for record in records if isinstance(record, Begin)}
        ended = {record.begin for record in records if isinstance(record, End)}
        released = {"do": "release", "holds": holds, "wait_s": READY_S}
        answer = httpx.post(f"{server.url}/admin/holds", json=released, timeout=30)

        assert set(begins) == {"h-begun", "h-answering"}
        assert ended == {begins["h-answering"]}
        assert answer.json()["is_done"]
        assert [call.result().status_code for call in calls] == [200, 200, 200]


def test_dropped_answer_is_executed_and_never_arrives(start: Start) -> None:
    """Execute-and-drop: on file with its receipt, while the caller sees a broken connection."""
    server = start()
    server.client.post("/admin/drops", json={"slot": "p", "count": 1})

    with pytest.raises(httpx.RemoteProtocolError):
        server.chat("d1")
    again = server.chat("d1")

    seqs = server.client.post("/admin/drops", json={"slot": "p"}).json()["seqs"]
    ends = [record for record in server.read().records if isinstance(record, End)]
    assert again.status_code == 200
    assert [end.outcome for end in ends] == ["dropped", "answered"]
    assert ends[0].receipt == ends[1].receipt != 0
    assert seqs == [ends[0].begin]
