"""Every broker that has a server: how each is found, and all of them side by side.

Called by `make services`, the doctor and whatever starts brokers. In-memory needs nothing.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from harness.errors import MachineError, UsageError
from harness.provide.chain import Provider, Refused, Report
from harness.provide.kafka import find_kafka, kafka_providers
from harness.provide.nats import find_nats, nats_providers
from harness.provide.rabbitmq import find_rabbitmq, rabbitmq_providers
from harness.provide.redis import RedisServer, find_redis, redis_providers
from harness.provide.server import Server, server_at, shown

SCHEMES = {"redis": "redis", "nats": "nats", "amqp": "rabbitmq", "kafka": "kafka"}
"""Of an address -> the broker that it is of."""
AT_HAND = {"redis": 2, "nats": 2, "rabbitmq": 1, "kafka": 2}
"""Broker -> how many of its providers neither download nor install."""
Finder = Callable[[str | None, Report], Server]


def redis_broker(url: str | None, report: Report) -> Server:
    """A Redis for messages: the same search as for state, and a process of its own."""
    if url is not None:
        return server_at(url, name="Redis", example="redis://user:password@127.0.0.1:6379")
    return _as_server(find_redis(None, report))


FINDERS: dict[str, Finder] = {
    "redis": redis_broker,
    "redis-2": redis_broker,
    "nats": find_nats,
    "rabbitmq": find_rabbitmq,
    "kafka": find_kafka,
}


def by_broker(urls: list[str]) -> dict[str, str]:
    """The addresses that the caller gave, each by the broker that its scheme names.

    Raises:
        UsageError: an unknown scheme, or two addresses of one broker.
    """
    given: dict[str, str] = {}
    for url in urls:
        name = SCHEMES.get(url.partition("://")[0], "")
        if not name:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise UsageError(f"broker at {shown(url)!r}: expected an address with {known}")
        if name in given:
            raise UsageError(f"two addresses of {name}: {shown(given[name])}, {shown(url)}")
        given[name] = url
    return given


def find_brokers(
    names: list[str],
    report: Report,
    *,
    urls: Mapping[str, str] | None = None,
    finders: Mapping[str, Finder] = FINDERS,
) -> tuple[dict[str, Server], dict[str, str]]:
    """The servers that were found, and for each other broker why not; all searched at once.

    Raises:
        UsageError: something that the caller named cannot be taken.
    """
    given = urls or {}
    wanted = [name for name in names if name in finders]
    servers: dict[str, Server] = {}
    missing: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=max(len(wanted), 1)) as pool:
        searches = {name: pool.submit(finders[name], given.get(name), report) for name in wanted}
        for name, search in searches.items():
            try:
                servers[name] = search.result()
            except MachineError as error:
                missing[name] = str(error)
    return servers, missing


def brokers_at_hand(environ: Mapping[str, str] = os.environ) -> dict[str, Server]:
    """The brokers that are there without a download or an installation."""
    chains: dict[str, Sequence[Provider[Server]]] = {
        "redis": tuple(map(_of_redis, redis_providers(_ignore, environ))),
        "nats": nats_providers(_ignore, environ),
        "rabbitmq": rabbitmq_providers(_ignore, environ),
        "kafka": kafka_providers(_ignore, environ, may_fetch=False),
    }
    found: dict[str, Server] = {}
    for name, chain in chains.items():
        for link in chain[: AT_HAND[name]]:
            if name not in found:
                with suppress(Refused):
                    found[name] = link.get()
    return found


def _of_redis(link: Provider[RedisServer]) -> Provider[Server]:
    return Provider(name=link.name, get=lambda: _as_server(link.get()))


def _as_server(found: RedisServer) -> Server:
    return Server(argv=found.argv or (), version=found.version, origin=found.origin)


def _ignore(line: str) -> None:
    """The doctor's findings say it all; a chain's own lines would only repeat them."""
