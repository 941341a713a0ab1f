"""A sidecar alone on the cluster, which takes out of a broker what a run left in it.

In a namespace of its own, as the run's is gone by then; it has the run's owner, so that whoever
removes the one removes the other.
"""

import contextlib
from collections.abc import AsyncIterator

from harness.clock import NS_PER_S, Clock
from harness.cluster.dapr import APP_ID
from harness.cluster.kubernetes.api import Api
from harness.cluster.kubernetes.manifests import Deployed, collector_of
from harness.cluster.kubernetes.namespaces import remove, until_account
from harness.cluster.kubernetes.states import state_of
from harness.errors import MachineError

READY_S, LOOK_S = 90.0, 0.2


@contextlib.asynccontextmanager
async def collecting(
    api: Api, deployed: Deployed, *, host: str, port: int, clock: Clock
) -> AsyncIterator[None]:
    """Until the end of the context; see BackEnd.collector.

    Raises:
        MachineError: the cluster refuses, or its pod is not ready in time.
    """
    try:
        for manifest in collector_of(deployed, app=APP_ID, host=host, port=port):
            await api.create(manifest)
            if manifest["kind"] == "Namespace":
                await until_account(api, deployed.namespace, clock=clock)
        until_ns = clock.monotonic_ns() + int(READY_S * NS_PER_S)
        while not await _is_ready(api, deployed.namespace):
            if clock.monotonic_ns() > until_ns:
                raise MachineError(
                    f"the sidecar in {deployed.namespace}, which takes out what brokers still "
                    f"have, was not ready in {READY_S:g} s; does it reach {host}:{port}?"
                )
            await clock.sleep_s(LOOK_S)
        yield
    finally:
        await remove(api, deployed.namespace, clock=clock)


async def _is_ready(api: Api, namespace: str) -> bool:
    pods = [state_of(one) for one in await api.items("Pod", namespace)]
    return any(one.is_ready and one.has_sidecar for one in pods)
