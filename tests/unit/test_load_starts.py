"""The machine of starts: when it posts, when it asks, and that it never posts twice in doubt."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.clock import NS_PER_S
from harness.load.events import EventKind
from harness.load.pods import PodEntry, Pods
from harness.load.starts import (
    HOLD_NS,
    REFUSED_AGAIN_NS,
    Ask,
    Hold,
    Post,
    StartState,
    after_ask,
    after_post,
    next_action,
)
from harness.load.wire import Answer, Lost, Refused, Replied


def pod(caller: str, state: str = "ready") -> PodEntry:
    slot = caller.rpartition(".")[0]
    return PodEntry(slot=slot, caller=caller, url=f"http://{caller}", state=state)


def pods(*entries: PodEntry) -> Pods:
    return Pods(pods=entries)


OWN, NEXT, OTHER = pod("agents-1.1"), pod("agents-1.2"), pod("agents-0.1")
FRESH = StartState(slot="agents-1", any_pod_answers=False)
SHARED = replace(FRESH, any_pod_answers=True)
IN_DOUBT = replace(FRESH, undecided=("agents-1.1",))
ACCEPTED = Replied(status=202, body=b"")


def test_a_start_goes_to_its_own_slot() -> None:
    """The plan's slot is first, also when any pod answers."""
    assert next_action(FRESH, pods(OTHER, OWN), 0) == Post(pod=OWN)
    assert next_action(SHARED, pods(OTHER, OWN), 0) == Post(pod=OWN)


def test_without_its_pod_a_start_is_held_or_goes_on() -> None:
    """A slot that is down holds its starts; with shared intake another pod takes them."""
    down = pods(OTHER, replace(OWN, state="down"))

    assert next_action(FRESH, down, 0) == Hold()
    assert next_action(SHARED, down, 0) == Post(pod=OTHER)


def test_accepted_is_ok() -> None:
    """202 is ok and done."""
    turn = after_post(FRESH, OWN, ACCEPTED, 0)

    assert (turn.kind, turn.status, turn.is_done) == (EventKind.OK, "202", True)


@pytest.mark.parametrize("status", [400, 409, 501])
def test_a_clear_no_is_fail_and_done(status: int) -> None:
    """Any other status is a fail with its text, and final."""
    turn = after_post(FRESH, OWN, Replied(status=status, body=b"not\n here"), 0)

    assert (turn.kind, turn.status, turn.is_done) == (EventKind.FAIL, f"{status} not here", True)


@pytest.mark.parametrize(
    ("answer", "status"),
    [(Refused(reason="no one"), "no one"), (Replied(status=503, body=b"ending"), "503 ending")],
)
def test_refused_is_fail_and_waits_for_the_next_incarnation(answer: Answer, status: str) -> None:
    """The same incarnation is not tried at once; the next one is. A pod that ends says 503."""
    turn = after_post(FRESH, OWN, answer, 0)

    assert (turn.kind, turn.status, turn.is_done) == (EventKind.FAIL, status, False)
    assert next_action(turn.state, pods(OWN), 1) == Hold()
    assert next_action(turn.state, pods(NEXT), 1) == Post(pod=NEXT)
    assert next_action(turn.state, pods(OWN), REFUSED_AGAIN_NS) == Post(pod=OWN)


def test_refused_goes_round_the_live_pods() -> None:
    """With shared intake each live pod is tried once, then the start is held."""
    after_own = after_post(SHARED, OWN, Refused(reason="no one"), 0).state
    after_both = after_post(after_own, OTHER, Refused(reason="no one"), 0).state

    assert next_action(after_own, pods(OTHER, OWN), 1) == Post(pod=OTHER)
    assert next_action(after_both, pods(OTHER, OWN), 1) == Hold()


def test_an_error_of_the_pod_is_info_and_asks_a_second_later() -> None:
    """What its engine did before the error is open: a GET that knows the agent decides."""
    turn = after_post(FRESH, OWN, Replied(status=500, body=b"timed out"), 0)

    assert (turn.kind, turn.status, turn.is_done) == (EventKind.INFO, "500 timed out", False)
    assert turn.hold_ns == HOLD_NS
    ask = next_action(turn.state, pods(OWN), 0)
    assert ask == Ask(pod=OWN, is_after_reap=False)
    found = after_ask(turn.state, ask, Replied(status=200, body=b""))
    assert (found.kind, found.is_done) == (EventKind.OK, True)


def test_an_error_and_no_agent_then_is_a_clear_no() -> None:
    """The POST is over, so nothing of it can overtake the GET."""
    in_doubt = after_post(FRESH, OWN, Replied(status=500, body=b"timed out"), 0).state
    ask = Ask(pod=OWN, is_after_reap=False)

    assert not after_ask(in_doubt, ask, Lost(reason="reset")).is_done
    turn = after_ask(in_doubt, ask, Replied(status=404, body=b""))

    assert (turn.kind, turn.is_done) == (EventKind.FAIL, True)
    assert turn.status == "500 timed out; 404 by GET"


def test_who_has_errors_alone_is_not_asked_for_ever() -> None:
    """A worker that answers everything so is not to hold the run until its time is over."""
    state = after_post(FRESH, OWN, Replied(status=500, body=b"broken"), 0).state
    held_ns = 0
    for _ in range(20):
        turn = after_ask(state, Ask(pod=OWN, is_after_reap=False), Replied(status=500, body=b""))
        state, held_ns = turn.state, held_ns + turn.hold_ns
        if turn.is_done:
            break

    assert (turn.kind, turn.status) == (EventKind.FAIL, "500 broken; 500 by GET")
    assert 10 * NS_PER_S < held_ns < 20 * NS_PER_S


def test_an_error_of_a_pod_that_is_gone_posts_again() -> None:
    """As after a reset."""
    in_doubt = after_post(FRESH, OWN, Replied(status=500, body=b""), 0).state
    ask = next_action(in_doubt, pods(NEXT), 0)
    assert isinstance(ask, Ask)
    turn = after_ask(in_doubt, ask, Replied(status=404, body=b""))

    assert next_action(turn.state, pods(NEXT), 0) == Post(pod=NEXT)


def test_lost_is_info_and_asks() -> None:
    """A timeout or reset is info; the next request is a GET."""
    turn = after_post(FRESH, OWN, Lost(reason="reset"), 0)

    assert (turn.kind, turn.status, turn.is_done) == (EventKind.INFO, "reset", False)
    assert next_action(turn.state, pods(OWN), 0) == Ask(pod=OWN, is_after_reap=False)
    assert next_action(turn.state, pods(), 0) == Hold()


def test_a_pod_that_is_down_is_not_reaped() -> None:
    """Down is not gone: a GET at the new incarnation does not count as after the reaping."""
    action = next_action(IN_DOUBT, pods(replace(OWN, state="down"), NEXT), 0)

    assert action == Ask(pod=NEXT, is_after_reap=False)


def test_absent_after_the_reaping_posts_again() -> None:
    """404 to a GET that left after the reaping is the one way to a second POST in doubt."""
    ask = next_action(IN_DOUBT, pods(NEXT), 0)
    assert ask == Ask(pod=NEXT, is_after_reap=True)

    turn = after_ask(IN_DOUBT, ask, Replied(status=404, body=b""))

    assert (turn.kind, turn.is_done) == (None, False)
    assert next_action(turn.state, pods(NEXT), 0) == Post(pod=NEXT)


@pytest.mark.parametrize(
    ("is_after_reap", "answer"),
    [
        (False, Replied(status=404, body=b"")),
        (True, Replied(status=500, body=b"")),
        (True, Refused(reason="no one")),
        (True, Lost(reason="reset")),
    ],
)
def test_all_else_asks_again_later(is_after_reap: bool, answer: Answer) -> None:
    """An early 404, an error or no answer decides nothing."""
    turn = after_ask(IN_DOUBT, Ask(pod=NEXT, is_after_reap=is_after_reap), answer)

    assert (turn.kind, turn.is_done, turn.hold_ns > 0) == (None, False, True)
    assert turn.state.undecided == ("agents-1.1",)


def test_found_is_ok() -> None:
    """A GET that knows the agent decides the start."""
    turn = after_ask(IN_DOUBT, Ask(pod=NEXT, is_after_reap=False), Replied(status=200, body=b""))

    assert (turn.kind, turn.status, turn.is_done) == (EventKind.OK, "200 found by GET", True)


WORLDS = st.lists(
    st.sampled_from([OWN, NEXT, OTHER, pod("agents-0.2")]).flatmap(
        lambda entry: st.sampled_from([entry, replace(entry, state="down")])
    ),
    max_size=4,
    unique_by=lambda entry: entry.caller,
).map(lambda entries: pods(*entries))
ANSWERS = st.sampled_from(
    [
        Refused(reason="r"),
        Lost(reason="l"),
        *(Replied(status=status, body=b"") for status in (404, 500)),
        ACCEPTED,
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.lists(st.tuples(WORLDS, ANSWERS), max_size=30))
def test_never_two_posts_in_doubt(any_pod_answers: bool, story: list[tuple[Pods, Answer]]) -> None:
    """In any world a POST leaves only if no earlier one was lost to an incarnation still listed
    when the GET left that said 404."""
    state = replace(FRESH, any_pod_answers=any_pod_answers)
    doubtful: set[str] = set()
    for now_s, (world, answer) in enumerate(story):
        action = next_action(state, world, now_s * 10**9)
        if isinstance(action, Post):
            assert not doubtful
            turn = after_post(state, action.pod, answer, now_s * 10**9)
            if isinstance(answer, Lost) or answer == Replied(status=500, body=b""):
                doubtful.add(action.pod.caller)
        elif isinstance(action, Ask):
            turn = after_ask(state, action, answer)
            listed = any(world.has(caller) for caller in doubtful)
            if isinstance(answer, Replied) and answer.status == 404 and not listed:
                doubtful.clear()
        else:
            continue
        if turn.is_done:
            break
        state = turn.state
