"""What the schedulers' embedded etcd says of itself: who leads it, and who takes part in the jobs.

Asked over the JSON gateway that etcd has on its client port; nothing is ever written. The keys are
those of go-etcd-cron, one a scheduler, each bound to a lease of 20 s: that of a scheduler which was
killed stays until its lease ends, so that the key alone does not show that it is back.

Source: diagridio/go-etcd-cron 0.12.6, internal/key and internal/leadership.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence

import httpx
import msgspec

from harness.clock import NS_PER_S, Clock
from harness.errors import MachineError

PREFIX = "dapr/leadership/"
ASK_S, POLL_S = 2.0, 0.1


class _Kv(msgspec.Struct, frozen=True):
    key: str
    lease: str = "0"


class _Range(msgspec.Struct, frozen=True):
    kvs: list[_Kv] = []


class _Header(msgspec.Struct, frozen=True):
    member_id: str


class _Status(msgspec.Struct, frozen=True):
    header: _Header
    leader: str = "0"


async def leases(http: httpx.AsyncClient, url: str) -> dict[str, str]:
    """Scheduler's id -> the lease of its key, by the member at ``url``; empty when it is silent."""
    end = PREFIX[:-1] + chr(ord(PREFIX[-1]) + 1)
    asked = {"key": _base64(PREFIX), "range_end": _base64(end)}
    said = await _ask(http, f"{url}/v3/kv/range", asked)
    kvs = msgspec.json.decode(said, type=_Range).kvs if said else ()
    return {b64decode(kv.key).decode().removeprefix(PREFIX): kv.lease for kv in kvs}


async def leads(http: httpx.AsyncClient, url: str) -> bool:
    """Whether the member at ``url`` is the leader of the etcd cluster."""
    said = await _ask(http, f"{url}/v3/maintenance/status", {})
    status = msgspec.json.decode(said, type=_Status) if said else None
    return status is not None and status.leader == status.header.member_id


async def until_taking_part(
    http: httpx.AsyncClient,
    urls: Sequence[str],
    is_so: Callable[[Mapping[str, str]], bool],
    *,
    clock: Clock,
    deadline_s: float,
) -> None:
    """Return when every member at ``urls`` sees keys and leases that fulfil ``is_so``.

    Raises:
        MachineError: not in time; with what was seen last.
    """
    until = clock.monotonic_ns() + int(deadline_s * NS_PER_S)
    seen: list[dict[str, str]] = []
    while clock.monotonic_ns() < until:
        seen = [await leases(http, url) for url in urls]
        if all(is_so(one) for one in seen):
            return
        await asyncio.sleep(POLL_S)
    raise MachineError(
        f"the schedulers did not share the jobs among them within {deadline_s:g} s; each sees "
        f"{'; '.join(str(sorted(one)) for one in seen)}; see logs/scheduler*.log"
    )


async def _ask(http: httpx.AsyncClient, url: str, content: dict[str, str]) -> bytes:
    """The answer; empty when there is none."""
    try:
        answer = await http.post(url, json=content, timeout=ASK_S)
    except httpx.TransportError:
        return b""
    return answer.content if answer.is_success else b""


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
