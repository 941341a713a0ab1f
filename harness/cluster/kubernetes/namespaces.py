"""The beginning and the end of a namespace of ours."""

import contextlib

from harness.clock import Clock
from harness.cluster.kubernetes.api import Api, ApiError, path_of
from harness.errors import MachineError

GONE_S = 90.0
"""Time in which a namespace, or a deleted pod, must be gone."""
ACCOUNT_S = 20.0


async def until_account(api: Api, namespace: str, *, clock: Clock) -> None:
    """A pod is refused before its namespace has an account.

    Raises:
        MachineError: it has none after `ACCOUNT_S`.
    """
    path = path_of("ServiceAccount", namespace, "default")
    for _ in range(int(ACCOUNT_S / 0.1)):
        with contextlib.suppress(ApiError):
            await api.get(path)
            return
        await clock.sleep_s(0.1)
    raise MachineError(
        f"namespace {namespace} got no default service account in {ACCOUNT_S:g} s; is the "
        "cluster's controller manager up?"
    )


async def remove(api: Api, namespace: str, *, clock: Clock) -> None:
    """Delete a namespace with everything in it, and wait until it is gone.

    Raises:
        MachineError: it is still there after `GONE_S`.
    """
    path = path_of("Namespace", name=namespace)
    await api.delete("Namespace", "", namespace)
    until_ns = clock.monotonic_ns() + int(GONE_S * 1e9)
    while clock.monotonic_ns() < until_ns:
        try:
            await api.get(path)
        except ApiError as error:
            if error.status == 404:
                return
            raise
        await clock.sleep_s(0.2)
    raise MachineError(
        f"namespace {namespace} was not gone {GONE_S:g} s after its deletion; look at it with "
        f"`kubectl get namespace {namespace} -o yaml`"
    )
