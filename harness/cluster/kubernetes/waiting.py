"""Why pods do not become ready, in the words of the cluster; asked while a run waits for them."""

import contextlib

from harness.cluster.kubernetes.api import Api, ApiError
from harness.cluster.kubernetes.states import WORKER, PodState, state_of

REFUSED = ("exceeded quota", "forbidden", "failed calling webhook", "denied")
LOG_LINES = 8


async def why_not_ready(
    api: Api, namespace: str, *, needs_dapr: bool, asked_count: int, identity_url: str
) -> tuple[str, bool]:
    """The reason, and whether waiting longer is of no use.

    Raises:
        ApiError: the cluster does not say.
    """
    states = [state_of(pod) for pod in await api.items("Pod", namespace)]
    bare = [one.name for one in states if needs_dapr and not one.has_sidecar]
    if bare:
        return (
            f"no sidecar was injected into {', '.join(bare)}; is Dapr's sidecar injector up? "
            "(`kubectl get pods -A -l app=dapr-sidecar-injector`)",
            True,
        )
    hopeless = [one for one in states if one.is_hopeless]
    if hopeless:
        return "; ".join(f"{one.name}: {one.trouble}" for one in hopeless), True
    refusals = await _refusals(api, namespace)
    if refusals:
        return refusals, True
    told = [text for one in states if (text := await _told(api, namespace, one))]
    if any(one.restarts.get(WORKER) for one in states):
        return "; ".join(told), False
    if states and not asked_count and not any(one.trouble for one in states):
        told.append(
            f"no pod has reached the harness at {identity_url}: run the harness where pods reach "
            "it (in the cluster, or on its node), or name the address with --reach"
        )
    return "; ".join(told) or "no pod was created yet", False


async def _told(api: Api, namespace: str, state: PodState) -> str:
    if state.is_ready:
        return ""
    text = f"{state.name}: {state.trouble or 'runs, and is not ready'}"
    if state.restarts.get(WORKER):
        with contextlib.suppress(ApiError):
            lines = await api.log(namespace, state.name, WORKER, lines=LOG_LINES, is_previous=True)
            text += f"; the worker ended and wrote:\n{lines}"
    return text


async def _refusals(api: Api, namespace: str) -> str:
    """Why a controller may not create pods, such as a quota."""
    events = await api.items("Event", namespace, fieldSelector="reason=FailedCreate")
    messages = {str(event.get("message", "")) for event in events}
    return "; ".join(sorted(text for text in messages if any(word in text for word in REFUSED)))
