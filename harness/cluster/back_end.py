"""Where pods can live: the seam between a run and the machine or the cluster that carries it.

`cli` chooses one; `runner` asks it for a platform and knows no more of it. Back ends: `local` and
`kubernetes`.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from harness.cluster.dapr import ControlPlane, DaprCommands
from harness.cluster.means import Means
from harness.cluster.pods import PodTemplate
from harness.protocols import Platform


class BackEnd(Protocol):
    """One kind of place."""

    @property
    def host(self) -> str:
        """The address on which pods reach what the harness starts, such as the witness."""

    @property
    def measures_pods(self) -> bool:
        """Pods are processes that the harness can look at, so that their cost is known."""

    def manifests(self, template: PodTemplate, slots: tuple[str, ...]) -> str:
        """What a run would deploy, as YAML, nobody asked; empty where nothing is deployed."""

    def sweep(self) -> None:
        """Remove what runs of this command left behind, even one that was killed.

        Raises:
            MachineError: something is still there.
        """

    def control_plane(
        self,
        commands: DaprCommands | None,
        means: Means,
        *,
        folder: Path,
        schedulers: int,
        log_level: str,
    ) -> ControlPlane | None:
        """Dapr's control plane, not yet started; None where the place has its own."""

    def collector(
        self,
        control_plane: ControlPlane | None,
        means: Means,
        *,
        name: str,
        resources: Path,
        port: int,
    ) -> AbstractAsyncContextManager[None]:
        """A sidecar of the agents' app with no pod beside it, healthy while the context lasts.

        It has the ``resources`` and delivers to ``port`` of `host` what a broker still holds.

        Raises:
            MachineError: it is not ready in time.
        """

    def platform(
        self,
        template: PodTemplate,
        slots: tuple[str, ...],
        means: Means,
        *,
        address_book: Path,
        restart_delays_s: tuple[float, ...],
    ) -> Platform:
        """Every slot of a run, nothing started yet; ``address_book`` is kept for the driver."""
