"""The last link of each chain: Docker, marked untested, which names the command and never serves.

A container outlives the client that is killed with its run, so a run that starts one itself would
leave it behind; and no daemon was at hand to show otherwise. A server that the user has started so
is taken by its address, as any other.
"""

import os
import shutil
from collections.abc import Mapping
from typing import Any

from harness.provide.chain import Provider, Refused
from harness.provide.command import capture

RUN = "docker run --rm -d -p 127.0.0.1"
COMMANDS = {
    "redis": f"{RUN}:6379:6379 redis:7 --appendonly yes",
    "postgres": f"{RUN}:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres:17",
    "nats": f"{RUN}:4222:4222 nats:2 -js",
    "rabbitmq": f"{RUN}:5672:5672 rabbitmq:4",
    "kafka": f"{RUN}:9092:9092 apache/kafka:4.1.1",
}
ADDRESSES = {
    "redis": "--redis 127.0.0.1:6379 (store), --broker-url redis://127.0.0.1:6379 (broker)",
    "postgres": "--postgres postgresql://postgres@127.0.0.1:5432/postgres",
    "nats": "--broker-url nats://127.0.0.1:4222",
    "rabbitmq": "--broker-url amqp://guest:guest@127.0.0.1:5672",
    "kafka": "--broker-url kafka://127.0.0.1:9092",
}
"""How a run is told of what was started."""


def by_docker(name: str, environ: Mapping[str, str] = os.environ) -> Provider[Any]:
    """Says whether there is a daemon, and what to do with it."""

    def refuse() -> Any:
        client = shutil.which("docker", path=environ.get("PATH", ""))
        if client is None:
            raise Refused("untested, and there is no docker on PATH")
        ended = capture([client, "info", "--format", "{{.ServerVersion}}"])
        if ended.code != 0:
            raise Refused(f"untested, and no daemon answers: {ended.last_line}")
        raise Refused(
            f"untested; its daemon answers, so start the server yourself: {COMMANDS[name]}; "
            f"then give its address: {ADDRESSES[name]}"
        )

    return Provider(name="Docker", get=refuse)
