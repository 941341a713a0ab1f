"""The endpoints for the harness: marks and outcomes in, progress and ended agents out.

On the same listener as the model, so that one order holds for everything. Loopback only, no
secrets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal
from urllib.parse import parse_qs

import msgspec

from mock_llm import config as configs
from mock_llm.exchange import TEXT_TYPE, Response, refusal
from mock_llm.holds import Hold
from mock_llm.messages import FoundMessage, tell
from mock_llm.receipts import render
from mock_llm.witness import Witness

WAIT_S_MAX = 60.0
"""A long poll waits no longer, whatever it asks for."""


class PostedNote(msgspec.Struct, frozen=True):
    """The body of POST /admin/notes."""

    kind: str
    subject: str
    detail: str = ""


class PostedOutcome(msgspec.Struct, frozen=True):
    """The body of POST /admin/outcomes; `text` is the agent's output."""

    agent: str
    status: str
    text: str | None = ""


class PostedEvent(msgspec.Struct, frozen=True):
    """The body of POST /admin/events; `path` is the step that receives it."""

    agent: str
    path: str


class AskedOfHolds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /admin/holds."""

    do: Literal["place", "wait", "release"]
    holds: list[Hold]
    wait_s: float = 0.0
    """For wait: until a call is held at each; for release: until those kept have gone on."""


class AskedOfDrops(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of POST /admin/drops."""

    slot: str
    count: int = 0
    """How many answers are to be dropped; 0 waits for the order given before."""
    wait_s: float = 0.0


async def post_notes(witness: Witness, body: bytes, _query: str) -> Response:
    """One note or a list of them -> {seq: number of the last, count}."""
    posted = msgspec.json.decode(body, type=PostedNote | list[PostedNote])
    notes = posted if isinstance(posted, list) else [posted]
    return _posted([witness.note(note.kind, note.subject, note.detail) for note in notes])


async def post_outcomes(witness: Witness, body: bytes, _query: str) -> Response:
    """One outcome or a list of them -> {seq: number of the last, count}."""
    posted = msgspec.json.decode(body, type=PostedOutcome | list[PostedOutcome])
    outcomes = posted if isinstance(posted, list) else [posted]
    return _posted([witness.outcome(one.agent, one.status, one.text or "") for one in outcomes])


async def get_ends(witness: Witness, _body: bytes, query: str) -> Response:
    """`last` answers behind ?after=, waiting up to ?wait_s= -> {ends: [{seq, agent, caller}]}."""
    asked = parse_qs(query)
    try:
        after = int(asked.get("after", ["0"])[0])
        wait_s = min(float(asked.get("wait_s", ["0"])[0]), WAIT_S_MAX)
    except ValueError as error:
        return refusal(400, f"after is a sequence number, wait_s are seconds: {error}")
    return _json({"ends": await witness.ends.wait(after, wait_s)})


async def get_progress(witness: Witness, _body: bytes, _query: str) -> Response:
    """Counts so far; a repeated step counts each time."""
    progress = witness.progress
    return _json(
        {
            "begun": progress.begun,
            "answered_steps": progress.answered_steps,
            "answered_turns": progress.answered_turns,
            "answers_per_s": progress.answers_per_s(witness.now_ns()),
            "limited": progress.ended["limited"],
            "ends": dict(progress.ended),
            "ended_agents": witness.ends.agents_count,
            "effects_attempted": progress.effects_attempted,
            "effects_applied": progress.effects_applied,
            "requests_per_caller_in_flight": dict(progress.in_flight),
            "unused": dict(progress.unused),
            "messages": dict(progress.messages),
            "undelivered": progress.undelivered,
        }
    )


async def post_events(witness: Witness, body: bytes, _query: str) -> Response:
    """An event that is about to be sent -> {payload}, which carries its receipt."""
    posted = msgspec.json.decode(body, type=PostedEvent)
    return _json({"payload": render(*witness.send_event(posted.agent, posted.path))})


async def post_messages(witness: Witness, body: bytes, _query: str) -> Response:
    """One message or a list of them -> {seq: number of the last, count}."""
    posted = msgspec.json.decode(body, type=FoundMessage | list[FoundMessage])
    return _posted(tell(witness, "-", posted if isinstance(posted, list) else [posted]))


async def post_holds(witness: Witness, body: bytes, _query: str) -> Response:
    """Place holds, wait for calls at them, or release them; see AskedOfHolds.

    -> {held, is_done, callers: who is held at each}
    """
    asked = msgspec.json.decode(body, type=AskedOfHolds)
    wait_s = min(asked.wait_s, WAIT_S_MAX)
    holds = witness.holds
    held: list[Hold] = []
    is_done = True
    if asked.do == "place":
        holds.place(asked.holds)
    elif asked.do == "wait":
        held = await holds.wait(asked.holds, wait_s)
        is_done = len(held) == len(asked.holds)
    else:
        is_done = await holds.release(asked.holds, wait_s)
    return _json({"held": held, "is_done": is_done, "callers": holds.callers(held)})


async def post_drops(witness: Witness, body: bytes, _query: str) -> Response:
    """Drop the next answers to a slot, and wait until that has happened -> {seqs of the calls}."""
    asked = msgspec.json.decode(body, type=AskedOfDrops)
    if asked.count:
        witness.drops.order(asked.slot, asked.count)
        return _json({"seqs": []})
    return _json({"seqs": await witness.drops.wait(asked.slot, min(asked.wait_s, WAIT_S_MAX))})


async def get_health(witness: Witness, _body: bytes, _query: str) -> Response:
    """200 {status: ok}: the ledger is open."""
    return _json({"status": "ok", "begun": witness.progress.begun})


async def get_config(witness: Witness, _body: bytes, _query: str) -> Response:
    """The settings in force."""
    return _json(witness.config)


async def post_config(witness: Witness, body: bytes, _query: str) -> Response:
    """Change settings -> {seq of the note, config}."""
    try:
        changed = configs.changed(witness.config, body)
    except configs.ConfigError as error:
        return refusal(400, str(error))
    return _json({"seq": witness.reconfigure(changed), "config": changed})


async def get_metrics(witness: Witness, _body: bytes, _query: str) -> Response:
    """Counts in the text form of Prometheus."""
    progress = witness.progress
    rows = [
        ("begun_total", "", progress.begun),
        *(("ended_total", f'{{outcome="{name}"}}', n) for name, n in progress.ended.items()),
        ("answered_steps_total", "", progress.answered_steps),
        *(("messages_total", f'{{what="{name}"}}', n) for name, n in progress.messages.items()),
        ("undelivered_messages", "", progress.undelivered),
        ("ended_agents", "", witness.ends.agents_count),
        ("effects_attempted_total", "", progress.effects_attempted),
        ("effects_applied_total", "", progress.effects_applied),
        ("prompt_tokens_total", "", progress.tokens_prompt),
        ("completion_tokens_total", "", progress.tokens_completion),
        ("in_flight", "", progress.in_flight.total()),
        ("unused_receipts", "", progress.unused.total()),
    ]
    text = "".join(f"onceproof_witness_{name}{labels} {value}\n" for name, labels, value in rows)
    return Response(status=200, body=text.encode(), content_type=TEXT_TYPE)


Endpoint = Callable[[Witness, bytes, str], Awaitable[Response]]

ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "/admin/notes"): post_notes,
    ("POST", "/admin/outcomes"): post_outcomes,
    ("GET", "/admin/ends"): get_ends,
    ("GET", "/admin/progress"): get_progress,
    ("POST", "/admin/events"): post_events,
    ("POST", "/admin/messages"): post_messages,
    ("POST", "/admin/holds"): post_holds,
    ("POST", "/admin/drops"): post_drops,
    ("GET", "/admin/health"): get_health,
    ("GET", "/admin/config"): get_config,
    ("POST", "/admin/config"): post_config,
    ("GET", "/metrics"): get_metrics,
}
"""Everything that the harness can ask, by method and path."""


def _posted(seqs: list[int]) -> Response:
    return _json({"seq": seqs[-1] if seqs else 0, "count": len(seqs)})


def _json(value: object) -> Response:
    return Response(status=200, body=msgspec.json.encode(value))
