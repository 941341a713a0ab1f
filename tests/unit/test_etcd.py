"""What the schedulers' etcd says is read as it is meant; a silent one says nothing."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping

import httpx
import pytest

from harness.clock import NS_PER_S, ManualClock
from harness.cluster.etcd import leads, leases, until_taking_part
from harness.errors import MachineError

RANGE = {"key": "ZGFwci9sZWFkZXJzaGlwLw==", "range_end": "ZGFwci9sZWFkZXJzaGlwMA=="}
"""From `dapr/leadership/` up to, and without, `dapr/leadership0`."""


def answered(request: httpx.Request) -> httpx.Response:
    """Two members: the one at port 1 leads; the first key has no lease, as none is bound to it."""
    content = request.read().decode()
    if request.url.port == 3:
        raise httpx.ConnectError("dead")
    if request.url.path == "/v3/maintenance/status":
        own = str(request.url.port)
        return httpx.Response(200, json={"header": {"member_id": own}, "leader": "1"})
    assert request.url.path == "/v3/kv/range"
    assert httpx.Response(200, text=content).json() == RANGE
    keys = [{"key": b64encode(f"dapr/leadership/s{n}".encode()).decode()} for n in range(2)]
    return httpx.Response(200, json={"kvs": [keys[0], {**keys[1], "lease": "77"}], "count": "2"})


async def leases_of(port: int) -> dict[str, str]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answered)) as http:
        return await leases(http, f"http://127.0.0.1:{port}")


async def leads_of(port: int) -> bool:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answered)) as http:
        return await leads(http, f"http://127.0.0.1:{port}")


def test_who_takes_part_is_read_from_the_keys() -> None:
    """By the scheduler's id, with its lease; of a dead member nothing."""
    assert asyncio.run(leases_of(1)) == {"s0": "0", "s1": "77"}
    assert asyncio.run(leases_of(3)) == {}


def test_the_leader_is_the_member_that_says_so_of_itself() -> None:
    """A follower names another one; a dead member leads nobody."""
    assert [asyncio.run(leads_of(port)) for port in (1, 2, 3)] == [True, False, False]


def test_what_never_comes_true_is_an_error_with_what_was_seen() -> None:
    """Each member is asked; the message has what each saw last."""

    async def wait(deadline_s: float) -> None:
        clock = TickingClock()
        async with httpx.AsyncClient(transport=httpx.MockTransport(answered)) as http:
            urls = ["http://127.0.0.1:1", "http://127.0.0.1:3"]
            await until_taking_part(http, urls, two, clock=clock, deadline_s=deadline_s)

    def two(seen: Mapping[str, str]) -> bool:
        return len(seen) == 2

    with pytest.raises(MachineError, match=r"within 3 s; each sees \['s0', 's1'\]; \[\]"):
        asyncio.run(wait(3.0))


class TickingClock(ManualClock):
    """A second passes at each look."""

    def monotonic_ns(self) -> int:
        self.now_ns += NS_PER_S
        return super().monotonic_ns()
