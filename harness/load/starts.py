"""What to do next about the start of one agent: a pure machine, without network or clock.

Promise: a second POST leaves only after the first was refused (it certainly did not happen), or
after a live pod said 404 *when every incarnation that might have taken the first was already
reaped*. Everything else is asked for, not repeated. A pod that answers with an error of its own
(5xx) may have the agent: it is asked, and what it says then decides.

Source: docs/design.md, "The worker contract".
"""

from dataclasses import dataclass, replace

from harness.clock import NS_PER_MS, NS_PER_S
from harness.load.events import EventKind
from harness.load.pods import PodEntry, Pods
from harness.load.wire import Answer, Lost, Refused

REFUSED_AGAIN_NS = 5 * NS_PER_S
"""An incarnation that refused and is still called ready is tried again after this."""
HOLD_NS = NS_PER_S
"""How long a start without a pod is held, unless pods change before."""
UNAVAILABLE = 503
NOT_IMPLEMENTED = 501
ASKS_AFTER_ERROR = 6
"""GETs that are answered with errors, too, before a start counts as not taken: 13 s of them."""
_ASK_NS_FIRST = 250 * NS_PER_MS
_ASK_NS_MAX = 5 * NS_PER_S
_STATUS_TEXT_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StartState:
    """What is known about one start."""

    slot: str
    any_pod_answers: bool
    refused: tuple[tuple[str, int], ...] = ()
    """Incarnations that refused, and when."""
    undecided: tuple[str, ...] = ()
    """Incarnations that may have taken a POST; empty when none has."""
    asked: int = 0
    """GETs since the last undecided POST."""
    error: str = ""
    """The error that the POST was answered with: whoever knows no agent now did not take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Write `invoke`, then POST to this pod."""

    pod: PodEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """GET the agent from this pod."""

    pod: PodEntry
    is_after_reap: bool
    """Every incarnation that may have taken a POST was reaped before this GET leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """No pod can be spoken to; look again at the next change of pods, or after ``for_ns``."""

    for_ns: int = HOLD_NS


Action = Post | Ask | Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What an answer means: the new state, the event to write, and how to go on."""

    state: StartState
    kind: EventKind | None = None
    """None writes nothing."""
    status: str = ""
    is_done: bool = False
    hold_ns: int = 0
    """Wait so long before the next action, unless pods change before."""


def next_action(state: StartState, pods: Pods, now_ns: int) -> Action:
    """Choose the next request, from what is known and who lives."""
    live = pods.live_for(state.slot, any_pod_answers=state.any_pod_answers)
    if state.undecided:
        if not live:
            return Hold()
        is_reaped = not any(pods.has(caller) for caller in state.undecided)
        return Ask(pod=live[state.asked % len(live)], is_after_reap=is_reaped)
    fresh = {caller for caller, at_ns in state.refused if now_ns - at_ns < REFUSED_AGAIN_NS}
    for pod in live:
        if pod.caller not in fresh:
            return Post(pod=pod)
    return Hold()


def after_post(state: StartState, pod: PodEntry, answer: Answer, now_ns: int) -> Turn:
    """Judge the answer to a POST: 202 is ok, no connection and a clear no are fail, else info.

    503 is no clear no: a pod that starts or ends says it, and another one may take the agent. Any
    other error of the pod's leaves open what its engine did.
    """
    if isinstance(answer, Refused):
        return _refused(state, pod, answer.reason, now_ns)
    if isinstance(answer, Lost):
        return _in_doubt(state, pod, answer.reason)
    if answer.status in {200, 201, 202}:
        return Turn(state=state, kind=EventKind.OK, status=str(answer.status), is_done=True)
    status = f"{answer.status} {_text_of(answer.body)}".rstrip()
    if answer.status == UNAVAILABLE:
        return _refused(state, pod, status, now_ns)
    if answer.status >= 500 and answer.status != NOT_IMPLEMENTED:
        in_doubt = _in_doubt(replace(state, error=status), pod, status)
        return replace(in_doubt, hold_ns=HOLD_NS)
    return Turn(state=state, kind=EventKind.FAIL, status=status, is_done=True)


def after_ask(state: StartState, ask: Ask, answer: Answer) -> Turn:
    """Judge the answer to a GET about an undecided start.

    404 opens the way to another POST only if the GET left after the reaping; a 404 from before may
    be overtaken by the first POST, unless that was answered, with an error.
    """
    asked = replace(state, asked=state.asked + 1)
    if isinstance(answer, Refused | Lost):
        return Turn(state=asked, hold_ns=_ask_hold_ns(state.asked))
    if answer.status == 200:
        return Turn(state=asked, kind=EventKind.OK, status="200 found by GET", is_done=True)
    if answer.status == 404 and ask.is_after_reap:
        return Turn(state=replace(state, undecided=(), asked=0, refused=(), error=""))
    if state.error and (answer.status == 404 or state.asked >= ASKS_AFTER_ERROR):
        status = f"{state.error}; {answer.status} by GET"
        return Turn(state=asked, kind=EventKind.FAIL, status=status, is_done=True)
    return Turn(state=asked, hold_ns=_ask_hold_ns(state.asked))


def _in_doubt(state: StartState, pod: PodEntry, status: str) -> Turn:
    """This incarnation may have taken it, and is asked before anybody gets another POST."""
    undecided = (*state.undecided, pod.caller)
    return Turn(
        state=replace(state, undecided=undecided, asked=0), kind=EventKind.INFO, status=status
    )


def _refused(state: StartState, pod: PodEntry, status: str, now_ns: int) -> Turn:
    """This incarnation did not take it, and is not asked at once again."""
    others = tuple(entry for entry in state.refused if entry[0] != pod.caller)
    refused = (*others, (pod.caller, now_ns))
    return Turn(state=replace(state, refused=refused), kind=EventKind.FAIL, status=status)


def _ask_hold_ns(asked: int) -> int:
    return min(_ASK_NS_FIRST << min(asked, 10), _ASK_NS_MAX)


def _text_of(body: bytes) -> str:
    return " ".join(body[:_STATUS_TEXT_MAX].decode("utf-8", "replace").split())
