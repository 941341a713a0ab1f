"""Namespaces of runs whose command was killed together with its keeper; found, and removed.

`cli` calls it for the doctor. Each namespace names the process that was to remove it; one whose
process lives, or lived on another machine, is left alone.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from harness.clock import SystemClock
from harness.cluster.kubernetes.api import Api, Manifest
from harness.cluster.kubernetes.manifests import KEEPER, OWNER_LABEL
from harness.cluster.kubernetes.namespaces import remove
from harness.cluster.processes import identity_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """One namespace of ours."""

    namespace: str
    state: str
    """removed | kept: <why>."""


def here() -> str:
    """This process, as `KEEPER` has it: its host, and a name that is never used twice."""
    return f"{socket.gethostname()}/{identity_of(os.getpid())}"


def why_kept(keeper: str) -> str:
    """Why a namespace of this keeper must stay; empty when nobody else will remove it."""
    host, _, identity = keeper.rpartition("/")
    if not host:
        return "it does not say whose it is"
    if host != socket.gethostname():
        return f"its command ran on {host}; sweep there, or `kubectl delete namespace` it"
    pid = identity.partition(".")[0]
    if not pid.isdecimal():
        return f"it names no process: {identity!r}"
    return f"process {pid} is at work on it" if identity_of(int(pid)) == identity else ""


def sweep_left(context: str) -> Sequence[Left]:
    """Remove every namespace whose command is gone; what was found.

    Raises:
        UsageError: no such context, or no cluster.
        MachineError: the cluster does not answer, or a namespace stays.
    """

    async def swept() -> list[Left]:
        async with await Api.connect(context) as api:
            found = await api.items("Namespace", labelSelector=OWNER_LABEL)
            return [await _settled(api, one) for one in found]

    return asyncio.run(swept())


async def _settled(api: Api, namespace: Manifest) -> Left:
    name = namespace["metadata"]["name"]
    reason = why_kept(namespace["metadata"].get("annotations", {}).get(KEEPER, ""))
    if reason:
        return Left(namespace=name, state=f"kept: {reason}")
    await remove(api, name, clock=SystemClock())
    return Left(namespace=name, state="removed")
