"""Where a one-node cluster lies, where it answers, and the record of one that is up."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.cluster.processes import identity_of
from harness.errors import MachineError

NODE = "onceproof"
BRIDGE = "onceproof0"
GATEWAY = "10.124.0.1"
"""The node's address: API server, kubelet, names, and whatever the harness serves to pods."""
PODS, FIRST_POD = "10.124.0.0/22", "10.124.0.16"
SERVICES, FIRST_SERVICE = "10.123.0.0/24", "10.123.0.1"
API_PORT = 16443
API = f"https://{GATEWAY}:{API_PORT}"
HOSTS = (NODE, "localhost", "kubernetes", "kubernetes.default.svc", GATEWAY, FIRST_SERVICE)
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a cluster is made of; all of it is only read."""

    kube: Path
    """onceproof-kube."""
    debian: Path
    """The folder into which Debian's packages were unpacked."""
    templates: Path
    """The folder of configuration templates."""
    images: tuple[Path, ...]
    """Archives of images to import, pause among them."""
    dapr: str = ""
    """Dapr's version, which is its images' tag; empty for a cluster without Dapr."""
    chart: Path | None = None
    """The folder of Dapr's chart."""
    worker: str = ""
    """Name of the worker's image; empty when there is none."""
    chaos_mesh: str = ""
    """Chaos Mesh's version, which is its image's tag; empty for a cluster without it."""
    chaos_chart: Path | None = None
    """The folder of Chaos Mesh's chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A cluster that is up, or was when its keeper was killed."""

    schema: int
    keeper: str
    """`<pid>.<start>` of the keeper."""
    init: int
    """Process 1 of the cluster, as this machine numbers it; 0 until it is known."""
    tools: dict[str, object]
    """What it is made of."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one cluster."""

    root: Path

    @property
    def kubeconfig(self) -> Path:
        """For the administrator, to be used inside the cluster's network namespace."""
        return self.root / "kubeconfig"

    @property
    def keys(self) -> Path:
        """Certificates and private keys."""
        return self.root / "keys"

    @property
    def configs(self) -> Path:
        """Configuration files, written from the templates."""
        return self.root / "configs"

    @property
    def logs(self) -> Path:
        """A log of each part; kept when the cluster goes."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What goes when the cluster goes: images, pods, volumes."""
        return self.root / "state"

    @property
    def progress(self) -> Path:
        """What process 1 says, a line an event."""
        return self.root / "progress"

    @property
    def record_file(self) -> Path:
        """The record of the cluster that is up."""
        return self.root / "cluster.json"

    @property
    def tools_file(self) -> Path:
        """What process 1 is to use."""
        return self.root / "tools.json"

    @property
    def cgroup(self) -> str:
        """Name of the control group of its pods, of no other cluster on this machine."""
        return "onceproof-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:12]

    def write_tools(self, tools: Tools) -> None:
        """Leave for process 1 what it is to use."""
        self.tools_file.write_text(json.dumps(asdict(tools), default=str, indent=1) + "\n")

    def read_tools(self) -> Tools:
        """What `write_tools` left."""
        said = json.loads(self.tools_file.read_text(encoding="utf-8"))
        paths = {name: Path(said[name]) for name in ("kube", "debian", "templates")}
        charts = [Path(said[name]) if said[name] else None for name in ("chart", "chaos_chart")]
        images = tuple(Path(image) for image in said["images"])
        return Tools(
            **paths,
            images=images,
            dapr=said["dapr"],
            chart=charts[0],
            worker=said["worker"],
            chaos_mesh=said["chaos_mesh"],
            chaos_chart=charts[1],
        )

    def write_record(self, *, init: int) -> None:
        """Say that this process keeps the cluster; whole or not at all."""
        record = Record(
            schema=SCHEMA,
            keeper=identity_of(os.getpid()),
            init=init,
            tools=json.loads(self.tools_file.read_text(encoding="utf-8")),
        )
        fresh = self.record_file.with_suffix(".fresh")
        fresh.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.record_file)

    def read_record(self) -> Record | None:
        """The record, None when no cluster was left here.

        Raises:
            MachineError: it is not readable, or of another schema.
        """
        try:
            said = json.loads(self.record_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise MachineError(f"{self.record_file}: {error}; remove {self.root}") from error
        if said.get("schema") != SCHEMA:
            raise MachineError(
                f"{self.record_file} has schema {said.get('schema')!r}, expected {SCHEMA}; take "
                "the cluster down with the onceproof that started it"
            )
        return Record(**said)

    def is_kept(self) -> bool:
        """Whether the keeper of the recorded cluster lives."""
        record = self.read_record()
        return record is not None and is_alive(record.keeper)


def is_alive(identity: str) -> bool:
    """Whether the process of this id and start time runs."""
    pid = int(identity.partition(".")[0])
    return identity_of(pid) == identity and _state(pid) != "Z"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
