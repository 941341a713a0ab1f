"""Holds and drops of the witness: what waits, what is released, what is on file."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mock_llm.drops import Drops
from mock_llm.exchange import AsgiEvent, Response
from mock_llm.holds import Call, Hold, Holds, answer_held, is_gone_at

CALL = Call(caller="agents-1.1", agent="a1", path="2", turn=0)
BEGUN = Hold("a1", "2", 0, "begun")
ANSWERING = Hold("a1", "2", 0, "answering")


class Notes:
    def __init__(self) -> None:
        self.kinds: list[str] = []

    def __call__(self, kind: str, subject: str, detail: str) -> int:
        self.kinds.append(kind)
        return len(self.kinds)


async def stays() -> AsgiEvent:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def leaves() -> AsgiEvent:
    await asyncio.sleep(0.01)
    return {"type": "http.disconnect"}


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(5):
            await work()

    asyncio.run(bounded())


def test_call_waits_until_it_is_released() -> None:
    """A held call is reported, goes on when it is released, and the ledger has a note of it."""

    async def work() -> None:
        notes = Notes()
        holds = Holds(notes)
        holds.place([BEGUN])
        going = asyncio.ensure_future(is_gone_at(holds, CALL, "begun", stays))

        assert await holds.wait([BEGUN], 1) == [BEGUN]
        assert not going.done()
        assert await holds.release([BEGUN], 1)
        assert await going is False
        assert notes.kinds == ["held"]

    run(work)


@pytest.mark.parametrize(
    "call",
    [
        Call(caller="agents-1.1", agent="a2", path="2", turn=0),
        Call(caller="agents-1.1", agent="a1", path="3", turn=0),
        Call(caller="agents-1.1", agent="a1", path="2", turn=1),
    ],
)
def test_other_calls_pass(call: Call) -> None:
    """Another agent, step or turn is not held, nor is another point of the same call."""

    async def work() -> None:
        holds = Holds(Notes())
        holds.place([BEGUN])

        assert await is_gone_at(holds, call, "begun", stays) is False
        assert await is_gone_at(holds, CALL, "arrival", stays) is False
        assert await holds.wait([BEGUN], 0) == []

    run(work)


def test_caller_that_leaves_is_let_go() -> None:
    """A client that goes away ends the wait at once, and counts as gone."""

    async def work() -> None:
        holds = Holds(Notes())
        holds.place([BEGUN])

        assert await is_gone_at(holds, CALL, "begun", leaves) is True
        assert await holds.wait([BEGUN], 0) == []

    run(work)


def test_hold_expires_and_says_so() -> None:
    """Nobody waits for ever: after its time a call goes on, with a note."""

    async def work() -> None:
        notes = Notes()
        holds = Holds(notes, hold_s=0.01)
        holds.place([BEGUN])

        assert await is_gone_at(holds, CALL, "begun", stays) is False
        assert notes.kinds == ["held", "hold-expired"]

    run(work)


def test_release_waits_for_the_answers_to_leave() -> None:
    """Release comes back when the kept answer was sent, and not before."""

    async def work() -> None:
        holds = Holds(Notes())
        holds.place([ANSWERING])
        keeping = asyncio.ensure_future(
            answer_held(holds, CALL, Response(status=200, body=b"x"), stays)
        )
        await holds.wait([ANSWERING], 1)
        releasing = asyncio.ensure_future(holds.release([ANSWERING], 1))
        answer = await keeping
        await asyncio.sleep(0.01)

        assert answer is not None
        assert answer.on_sent is not None
        assert not releasing.done()
        answer.on_sent()
        assert await releasing is True

    run(work)


def test_drops_are_counted_and_bounded() -> None:
    """Only the ordered number of answers to the slot is dropped; what is left over is void."""

    async def work() -> None:
        drops = Drops()
        drops.order("agents-1", 2)

        assert [drops.take(f"agents-{slot}.1", seq) for seq, slot in enumerate((2, 1, 1, 1))] == [
            False,
            True,
            True,
            False,
        ]
        assert await drops.wait("agents-1", 0) == [1, 2]
        drops.order("agents-1", 5)
        assert await drops.wait("agents-1", 0.01) == []
        assert drops.take("agents-1.1", 9) is False

    run(work)
