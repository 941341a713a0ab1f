"""Services that cannot come up: a clear error in time, never a hang, and nothing left running."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness.brokers import make_broker
from harness.brokers.place import BrokerPlace
from harness.clock import SystemClock
from harness.cluster.components import write_component
from harness.cluster.disk import ROOM_MB, ran_out_of_disk, refuse_full_disk
from harness.cluster.ports import Ports
from harness.cluster.processes import Processes
from harness.errors import MachineError
from harness.protocols import Broker, Component, Store
from harness.provide.data import components_folder
from harness.provide.postgres import PostgresServer
from harness.stores import make_store
from harness.stores.place import StorePlace
from tests.contract.service_stand import (
    HERE,
    NEEDS_POSTGRES,
    NEEDS_REDIS,
    NEEDS_RUNTIME,
    SERVED,
    STORE_MARKS,
    marks,
    perform,
    store_place,
)
from tests.contract.test_state_api import sidecar

SERVICES = [
    *(pytest.param("store", name, marks=mark) for name, mark in STORE_MARKS.items()),
    *(pytest.param("broker", name, marks=marks(name)) for name in SERVED),
]
EVERY = pytest.mark.parametrize(("kind", "name"), SERVICES)


class Given(Ports):
    """Hands out a port that somebody else has taken, and then free ones."""

    def __init__(self, port: int) -> None:
        super().__init__(os.getpid())
        self._given = [port]

    def take(self) -> int:
        """See Ports."""
        return self._given.pop() if self._given else super().take()


def service_of(
    kind: str, name: str, *, folder: Path, processes: Processes, ports: Ports, ready_s: float
) -> Broker | Store:
    """The service, not yet started."""
    if kind == "broker":
        return make_broker(
            name,
            BrokerPlace(
                folder=folder, processes=processes, ports=ports, servers=HERE, ready_s=ready_s
            ),
        )
    return make_store(
        name, store_place(folder, processes, folder=folder, ports=ports, ready_s=ready_s)
    )


@EVERY
def test_a_port_that_somebody_else_took_is_told(tmp_path: Path, kind: str, name: str) -> None:
    """The server's own last lines; whoever sits there is not taken for ours."""

    async def act(processes: Processes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            service = service_of(
                kind,
                name,
                folder=tmp_path / "service",
                processes=processes,
                ports=Given(port),
                ready_s=30,
            )
            with pytest.raises(MachineError, match=r"(ended at its start|not ready).*its log ends"):
                await service.start()

    perform(tmp_path, act)


@NEEDS_REDIS
@pytest.mark.parametrize("kind", ["store", "broker"])
def test_a_server_of_a_stranger_is_not_taken_for_ours(tmp_path: Path, kind: str) -> None:
    """It answers as ours would, so that a run would go to it: the port is named."""

    async def act(processes: Processes) -> None:
        theirs = service_of(
            "store",
            "redis",
            folder=tmp_path / "theirs",
            processes=processes,
            ports=Ports(os.getpid()),
            ready_s=20,
        )
        await theirs.start()
        assert isinstance(theirs.component(), Component)
        port = int(theirs.url().rpartition(":")[2])  # type: ignore[union-attr]
        # One that lives on without its port, as a server does that binds late.
        ours = tmp_path / "ours"
        ours.write_text("#!/bin/sh\nexec sleep 60\n")
        ours.chmod(0o755)
        place = {"folder": tmp_path / "ours-folder", "processes": processes, "ports": Given(port)}
        service: Broker | Store = (
            make_store(
                "redis",
                StorePlace(clock=SystemClock(), redis=(str(ours),), ready_s=1.0, **place),  # type: ignore[arg-type]
            )
            if kind == "store"
            else make_broker(
                "redis",
                BrokerPlace(
                    servers={
                        "redis": HERE["redis"].__class__(argv=(str(ours),), version="", origin="")
                    },
                    ready_s=1.0,
                    **place,  # type: ignore[arg-type]
                ),
            )
        )
        with pytest.raises(MachineError, match=f"another process has taken port {port}"):
            await service.start()
        await theirs.stop()

    perform(tmp_path, act)


@pytest.mark.parametrize("name", [pytest.param(n, marks=m) for n, m in STORE_MARKS.items()])
def test_a_store_that_never_answers_is_given_up(tmp_path: Path, name: str) -> None:
    """A listener that says nothing: the deadline, and whose address it was."""

    async def act(processes: Processes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            url = f"postgresql://u:secret@127.0.0.1:{port}/x"
            place = StorePlace(
                folder=tmp_path / "store",
                processes=processes,
                ports=Ports(1),
                clock=SystemClock(),
                redis_address=f"127.0.0.1:{port}",
                postgres=PostgresServer(folder=None, url=url, version="", origin=""),
                ready_s=0.3,
            )
            with pytest.raises(
                MachineError, match=rf":{port} was not ready in 0.3 s; is it"
            ) as told:
                await make_store(name, place).start()
            assert "secret" not in str(told.value)

    perform(tmp_path, act)


@EVERY
def test_a_late_start_is_given_up_with_its_log(tmp_path: Path, kind: str, name: str) -> None:
    """A server of ours that does not make it in time is ended, and its last lines are shown."""

    async def act(processes: Processes) -> None:
        service = service_of(
            kind,
            name,
            folder=tmp_path / "service",
            processes=processes,
            ports=Ports(os.getpid()),
            ready_s=0.001,
        )
        with pytest.raises(MachineError, match=r"not ready in 0\.001 s.*log"):
            await service.start()

    perform(tmp_path, act)


@pytest.fixture
def tiny_disk() -> Iterator[Path]:
    """A disk of its own with a little more room than a server must find."""
    place = Path(tempfile.mkdtemp(prefix="onceproof-tiny-"))
    mount = shutil.which("mount")
    words = (str(mount), "-t", "tmpfs", "-o", f"size={ROOM_MB + 10}m,mode=755", "tiny", str(place))
    if os.geteuid() != 0 or mount is None or subprocess.run(words, check=False).returncode:
        place.rmdir()
        pytest.skip("no right to mount a tiny disk here: run as root")
    yield place
    subprocess.run(("umount", "-l", str(place)), check=True)
    place.rmdir()


def fill(folder: Path, keep: int) -> None:
    """Leave so many bytes free."""
    with (folder / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, shutil.disk_usage(folder).free - keep)


@EVERY
def test_a_full_disk_is_told_before_the_start(
    tmp_path: Path, tiny_disk: Path, kind: str, name: str
) -> None:
    """With how much is free and how much is needed; no process was started."""
    fill(tiny_disk, 8 << 20)

    async def act(processes: Processes) -> None:
        service = service_of(
            kind,
            name,
            folder=tiny_disk / "service",
            processes=processes,
            ports=Ports(os.getpid()),
            ready_s=20,
        )
        with pytest.raises(MachineError, match=rf"has \d MB free, .* needs {ROOM_MB} MB"):
            await service.start()
        assert processes.all == []

    perform(tmp_path, act)


@NEEDS_REDIS
def test_a_disk_that_fills_up_under_a_server_is_told(tmp_path: Path, tiny_disk: Path) -> None:
    """It refuses what it cannot keep, and its log gives the run the reason."""

    async def act(processes: Processes) -> None:
        store = service_of(
            "store",
            "redis",
            folder=tiny_disk / "store",
            processes=processes,
            ports=Ports(os.getpid()),
            ready_s=20,
        )
        await store.start()
        fill(tiny_disk, 1 << 20)
        port = int(store.url().rpartition(":")[2])  # type: ignore[union-attr]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answers = []
        value = b"x" * 100_000
        # Its file is written beside, at most two seconds late.
        async with asyncio.timeout(20):
            while not answers or b"MISCONF" not in answers[-1]:
                writer.write(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (len(value), value))
                answers.append(await reader.readline())
        writer.close()
        await store.stop()
        assert answers[0] == b"+OK\r\n"

    perform(tmp_path, act)

    (told,) = ran_out_of_disk(tmp_path / "logs")
    assert told.startswith("the disk of redis was full")
    assert "AOF file" in told


@pytest.mark.parametrize(
    ("line", "is_full"),
    [
        ("Error writing to the AOF file: No space left on device", True),
        ("Short write while writing to the AOF file: (nwritten=48213, expected=100034)", True),
        ("filesync failed: {error,enospc}", True),
        ("database or disk is full (13)", True),
        ("disk resource limit alarm set on node rabbit@localhost", True),
        ("java.io.IOException: No space left on device", True),
        ("disk_free_limit set to 50MB", False),
    ],
)
def test_the_words_of_a_full_disk_are_known(tmp_path: Path, line: str, is_full: bool) -> None:
    """As the services write them; a word about a limit alone is none."""
    (tmp_path / "service.log").write_text(f"ready\n{line}\n")

    assert len(ran_out_of_disk(tmp_path)) == is_full


def test_a_disk_with_room_is_not_refused(tmp_path: Path) -> None:
    """Else nothing would ever start."""
    refuse_full_disk(tmp_path, "redis")


@NEEDS_POSTGRES
@NEEDS_RUNTIME
def test_a_wrong_password_of_the_store_is_told_by_the_sidecar(tmp_path: Path) -> None:
    """At its start, in PostgreSQL's own words; no run begins."""

    async def act(processes: Processes) -> None:
        ports = Ports(os.getpid())
        with tempfile.TemporaryDirectory() as open_folder:
            Path(open_folder).chmod(0o755)
            theirs = service_of(
                "store",
                "postgres",
                folder=Path(open_folder) / "store",
                processes=processes,
                ports=ports,
                ready_s=30,
            )
            await theirs.start()
            (rules,) = Path(open_folder).rglob("pg_hba.conf")
            rules.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
            await theirs.stop()
            await theirs.start()
            port = theirs.url().rpartition(":")[2].partition("/")[0]  # type: ignore[union-attr]
            url = f"postgresql://onceproof:wrong@127.0.0.1:{port}/postgres"
            given = PostgresServer(folder=None, url=url, version="", origin="")
            ours = make_store(
                "postgres",
                StorePlace(
                    folder=tmp_path / "ours",
                    processes=processes,
                    ports=ports,
                    clock=SystemClock(),
                    postgres=given,
                ),
            )
            await ours.start()
            component = ours.component()
            assert component is not None
            resources = tmp_path / "components"
            write_component(component, source=components_folder(), target=resources)
            async with httpx.AsyncClient(timeout=5.0) as http:
                with contextlib.ExitStack() as told:
                    error = told.enter_context(
                        pytest.raises(MachineError, match="password authentication failed")
                    )
                    await sidecar(http, processes, ports, resources)
            assert "wrong@" not in str(error.value)
            await theirs.stop()

    perform(tmp_path, act)
