"""What a state store keeps of its word when it is asked through real sidecars: etags, transactions.

Called at the end of a run whose scenario asks for it, when the store's figures are taken; the keys
are the checks' own. It never raises for what a store does: that is what it is to find out.

Source: docs.dapr.io, reference/api/state_api and developing-applications/building-blocks/
state-management/state-management-overview (concurrency, transactions).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from harness.state_store import StoreCheck

COMPONENT = "agent-workflow"
"""The store's name, the same in every components/state-*.yaml."""
WRITERS, DEADLINE_S = 16, 20.0
TAKEN, STALE = (200, 204), 409
FIRST = {"concurrency": "first-write", "consistency": "strong"}


class Unclear(Exception):  # noqa: N818 - the store's answer decides nothing.
    """The answers were neither what was promised nor the opposite; the message has them."""


async def checks_of(http: httpx.AsyncClient, sidecars: Sequence[str]) -> tuple[StoreCheck, ...]:
    """Ask the store over the addresses of sidecars of one app; unknown when there is none."""
    if not sidecars:
        text = "no sidecar was healthy when the load was over"
        return tuple(StoreCheck(name=name, verdict="unknown", text=text) for name in CHECKS)
    return tuple(
        [
            await _checked(name, check, StateApi(http, sidecars, name.replace(" ", "-")))
            for name, check in CHECKS.items()
        ]
    )


@dataclass(frozen=True, slots=True)
class StateApi:
    """The state API of one store; keys of one check begin with its name."""

    http: httpx.AsyncClient
    sidecars: Sequence[str]
    prefix: str

    async def put(self, key: str, value: str, *, etag: str = "", by: int = 0) -> int:
        """Write, only over that version if one is named; the status."""
        answer = await self.http.post(self._url(by=by), json=[self._item(key, value, etag)])
        return answer.status_code

    async def get(self, key: str) -> tuple[str | None, str]:
        """Value and version; None for what is not there."""
        answer = await self.http.get(f"{self._url()}/{quote(self._name(key))}")
        if answer.status_code == 204:
            return None, ""
        if answer.status_code != 200:
            raise Unclear(f"a read was answered {answer.status_code}: {answer.text[:120]}")
        return str(answer.json()), answer.headers.get("etag", "").strip('"')

    async def delete(self, key: str, *, etag: str) -> int:
        """Delete that version; the status."""
        url = f"{self._url()}/{quote(self._name(key))}"
        answer = await self.http.delete(
            url, headers={"If-Match": etag}, params={"concurrency": "first-write"}
        )
        return answer.status_code

    async def transact(self, puts: dict[str, tuple[str, str]], deletes: Sequence[str] = ()) -> int:
        """Write values, over that version where one is named, and delete, as a whole."""
        operations = [
            {"operation": "upsert", "request": self._item(key, value, etag)}
            for key, (value, etag) in puts.items()
        ] + [{"operation": "delete", "request": {"key": self._name(key)}} for key in deletes]
        answer = await self.http.post(f"{self._url()}/transaction", json={"operations": operations})
        return answer.status_code

    def _url(self, *, by: int = 0) -> str:
        return f"{self.sidecars[by % len(self.sidecars)]}/v1.0/state/{COMPONENT}"

    def _name(self, key: str) -> str:
        return f"check-{self.prefix}-{key}"

    def _item(self, key: str, value: str, etag: str) -> dict[str, object]:
        item: dict[str, object] = {"key": self._name(key), "value": value}
        return item | ({"etag": etag, "options": FIRST} if etag else {})


Check = Callable[[StateApi], Awaitable[tuple[bool, str]]]


async def _checked(name: str, check: Check, api: StateApi) -> StoreCheck:
    try:
        async with asyncio.timeout(DEADLINE_S):
            holds, text = await check(api)
    except Unclear as reason:
        return StoreCheck(name=name, verdict="unknown", text=str(reason))
    except TimeoutError:
        return StoreCheck(name=name, verdict="unknown", text=f"no answer in {DEADLINE_S:g} s")
    except httpx.HTTPError as error:
        return StoreCheck(name=name, verdict="unknown", text=f"no answer: {error!r}")
    return StoreCheck(name=name, verdict="valid" if holds else "invalid", text=text)


async def _begin(api: StateApi, *keys: str) -> str:
    """Write every key once; the version of the first."""
    for key in keys:
        status = await api.put(key, "begin")
        if status not in TAKEN:
            raise Unclear(f"a plain write was answered {status}")
    value, etag = await api.get(keys[0])
    if value != "begin" or not etag:
        raise Unclear(f"a plain write was read back as {value!r} with the version {etag!r}")
    return etag


async def first_write_wins(api: StateApi) -> tuple[bool, str]:
    """The second write over a version is refused, and the first stays."""
    etag = await _begin(api, "key")
    one, two = await api.put("key", "one", etag=etag), await api.put("key", "two", etag=etag, by=1)
    value, _ = await api.get("key")
    if one not in TAKEN or (two not in TAKEN and two != STALE):
        raise Unclear(f"two writes over one version were answered {one} and {two}")
    return (
        two == STALE and value == "one",
        f"two writes over one version: {one}, then {two}; what stays is {value!r}",
    )


async def first_of_many_wins(api: StateApi) -> tuple[bool, str]:
    """Of writers that all hold one version, at once and over every sidecar, one gets through."""
    etag = await _begin(api, "key")
    answers = await asyncio.gather(
        *(api.put("key", f"writer {by}", etag=etag, by=by) for by in range(WRITERS))
    )
    through = [f"writer {by}" for by, status in enumerate(answers) if status in TAKEN]
    others = sorted({status for status in answers if status not in TAKEN})
    value, _ = await api.get("key")
    text = (
        f"{WRITERS} writers at once with one version "
        f"over {len(api.sidecars)} of the pods' sidecars: "
        f"{len(through)} let through, others answered {others}; what stays is {value!r}"
    )
    if not through:
        raise Unclear(text)
    return through == [value], text


async def stale_delete_is_refused(api: StateApi) -> tuple[bool, str]:
    """Nobody deletes what he has not seen."""
    stale = await _begin(api, "key")
    if (status := await api.put("key", "newer", etag=stale)) not in TAKEN:
        raise Unclear(f"a write over the version just read was answered {status}")
    status = await api.delete("key", etag=stale)
    value, _ = await api.get("key")
    return (
        status not in TAKEN and value == "newer",
        f"a delete of an older version: {status}; what stays is {value!r}",
    )


async def transaction_is_whole(api: StateApi) -> tuple[bool, str]:
    """Two writes and a delete happen together."""
    await _begin(api, "one", "gone")
    status = await api.transact({"one": ("new", ""), "two": ("new", "")}, deletes=["gone"])
    if status not in TAKEN:
        raise Unclear(f"a transaction was answered {status}")
    found = [(await api.get(key))[0] for key in ("one", "two", "gone")]
    return found == ["new", "new", None], f"two writes and a delete: {status}; read back {found}"


async def transaction_is_all_or_nothing(api: StateApi) -> tuple[bool, str]:
    """One write over an older version takes back the whole transaction, in whichever order."""
    stale = await _begin(api, "one", "gone")
    if (status := await api.put("one", "newer", etag=stale)) not in TAKEN:
        raise Unclear(f"a write over the version just read was answered {status}")
    status = await api.transact(
        {"two": ("half", ""), "one": ("half", stale), "three": ("half", "")}, deletes=["gone"]
    )
    found = [(await api.get(key))[0] for key in ("one", "two", "three", "gone")]
    return (
        status not in TAKEN and found == ["newer", None, None, "begin"],
        f"a transaction with one older version: {status}; read back {found}",
    )


CHECKS: dict[str, Check] = {
    "first write wins": first_write_wins,
    "first of many wins": first_of_many_wins,
    "stale delete refused": stale_delete_is_refused,
    "transaction whole": transaction_is_whole,
    "transaction all or nothing": transaction_is_all_or_nothing,
}
