"""Dapr's resources of a run: files, as local sidecars read them, kept as objects of the cluster."""

from pathlib import Path

import yaml

from harness.cluster.kubernetes.api import Api
from harness.cluster.kubernetes.manifests import Deployed, Manifest, placed


def resources_in(folder: Path) -> tuple[Manifest, ...]:
    """Every resource that has a file there."""
    return tuple(yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml")))


class Resources:
    """What the run's namespace has of them: all that was deployed, and what swaps made of it."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._there = _by_name(deployed.components)

    async def become(self, api: Api, wanted: tuple[Manifest, ...]) -> None:
        """Create, patch and delete until the namespace has what is wanted, and nothing else.

        What sidecars need to follow a subscription comes before it, and goes after it.

        Raises:
            ApiError: the cluster refuses.
        """
        namespace, before, after = self._deployed.namespace, self._there, _by_name(wanted)
        for (kind, name), found in sorted(after.items()):
            if (kind, name) not in before:
                await api.create(placed(found, self._deployed))
            elif found["spec"] != before[kind, name]["spec"]:
                await api.patch(kind, namespace, name, {"spec": found["spec"]})
        for kind, name in sorted(set(before) - set(after), reverse=True):
            await api.delete(kind, namespace, name)
        self._there = after


def _by_name(resources: tuple[Manifest, ...]) -> dict[tuple[str, str], Manifest]:
    return {(one["kind"], one["metadata"]["name"]): one for one in resources}
