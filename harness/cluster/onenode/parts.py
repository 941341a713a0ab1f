"""The programs of a one-node cluster: configuration from the templates, and the argv of each."""

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path
from string import Template

from harness.cluster.onenode.place import (
    API_PORT,
    BRIDGE,
    FIRST_POD,
    GATEWAY,
    HOSTS,
    NODE,
    PODS,
    SERVICES,
    Place,
    Tools,
)
from harness.errors import HarnessError

ETCD = "http://127.0.0.1:12379"
ETCD_PEERS = "http://127.0.0.1:12380"
RUNTIME_SOCKET = "/run/onceproof/containerd.sock"
CLIENTS = ("admin", "kube-controller-manager", "kube-scheduler", "kubelet")
ISSUER = "https://kubernetes.default.svc"
KEYS_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The argv of every program of one cluster."""

    place: Place
    tools: Tools

    def etcd(self) -> tuple[str, ...]:
        """Where the API server keeps its objects: in memory, as the cluster is thrown away."""
        return (
            str(self.tools.debian / "usr/bin/etcd"),
            *("--name=only", "--data-dir=/run/onceproof/etcd"),
            *(f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}"),
            *(f"--listen-peer-urls={ETCD_PEERS}", f"--initial-advertise-peer-urls={ETCD_PEERS}"),
            f"--initial-cluster=only={ETCD_PEERS}",
        )

    def containerd(self) -> tuple[str, ...]:
        """Runs the containers."""
        config = str(self.place.configs / "containerd.toml")
        return (str(self.tools.debian / "usr/bin/containerd"), "-c", config)

    def import_image(self, archive: Path) -> tuple[str, ...]:
        """Loads an image's archive into the container runtime."""
        ctr = str(self.tools.debian / "usr/bin/ctr")
        return (ctr, "-a", RUNTIME_SOCKET, "-n", "k8s.io", "images", "import", str(archive))

    def apiserver(self) -> tuple[str, ...]:
        """Kubernetes' API, at the node's address."""
        keys = self.place.keys
        return (
            *(str(self.tools.kube), "kube-apiserver", f"--etcd-servers={ETCD}"),
            *(f"--bind-address={GATEWAY}", f"--advertise-address={GATEWAY}"),
            *(f"--secure-port={API_PORT}", f"--service-cluster-ip-range={SERVICES}"),
            *(f"--tls-cert-file={keys}/apiserver.crt", f"--client-ca-file={keys}/ca.crt"),
            *(f"--tls-private-key-file={keys}/apiserver.key", "--authorization-mode=Node,RBAC"),
            f"--kubelet-client-certificate={keys}/admin.crt",
            f"--kubelet-client-key={keys}/admin.key",
            f"--kubelet-certificate-authority={keys}/ca.crt",
            "--kubelet-preferred-address-types=InternalIP",
            *(f"--service-account-issuer={ISSUER}", "--profiling=false"),
            f"--service-account-key-file={keys}/tokens.pub",
            f"--service-account-signing-key-file={keys}/tokens.key",
        )

    def controllers(self) -> tuple[str, ...]:
        """Kubernetes' controllers; a pod is replaced by them."""
        keys = self.place.keys
        return (
            *self._client("kube-controller-manager"),
            f"--service-account-private-key-file={keys}/tokens.key",
            f"--root-ca-file={keys}/ca.crt",
            *("--use-service-account-credentials=true", "--node-monitor-grace-period=20s"),
        )

    def scheduler(self) -> tuple[str, ...]:
        """Kubernetes' scheduler, no relation of Dapr's."""
        return self._client("kube-scheduler")

    def kubelet(self) -> tuple[str, ...]:
        """Runs the node's pods."""
        return (
            *(str(self.tools.kube), "kubelet", f"--config={self.place.configs}/kubelet.yaml"),
            f"--kubeconfig={self.place.configs}/kubelet.kubeconfig",
            *(f"--hostname-override={NODE}", f"--node-ip={GATEWAY}"),
        )

    def proxy(self) -> tuple[str, ...]:
        """Makes the addresses of Services work."""
        config = f"--config={self.place.configs}/proxy.yaml"
        return (str(self.tools.kube), "kube-proxy", config)

    def names(self) -> tuple[str, ...]:
        """CoreDNS: the names of Services and pods."""
        return (str(self.tools.kube), "coredns", "-conf", str(self.place.configs / "Corefile"))

    def environ(self) -> dict[str, str]:
        """Of every program: Debian's first, and no proxy of the machine's."""
        debian = self.tools.debian
        folders = (
            debian / "usr/sbin",
            debian / "usr/bin",
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
        )
        return {
            "PATH": ":".join(str(folder) for folder in folders),
            "HOME": "/run/onceproof",
            "LD_LIBRARY_PATH": str(debian / "usr/lib/x86_64-linux-gnu"),
        }

    def _client(self, name: str) -> tuple[str, ...]:
        config = f"--kubeconfig={self.place.configs}/{name}.kubeconfig"
        common = ("--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false")
        return (str(self.tools.kube), name, config, *common)


def write_configs(parts: Parts) -> None:
    """Make the keys, and write every configuration file of the cluster.

    Raises:
        HarnessError: the keys could not be made.
    """
    place, tools = parts.place, parts.tools
    for folder in (place.keys, place.configs / "cni"):
        folder.mkdir(parents=True, exist_ok=True)
    place.keys.chmod(0o700)
    made = subprocess.run(
        (str(tools.kube), "keys", str(place.keys), NODE, ",".join(HOSTS)),
        capture_output=True,
        text=True,
        timeout=KEYS_S,
        check=False,
    )
    if made.returncode != 0:
        raise HarnessError(f"the cluster's keys could not be made: {made.stderr.strip()}")
    for name in ("containerd.toml", "kubelet.yaml", "proxy.yaml", "Corefile"):
        (place.configs / name).write_text(_filled(parts, name), encoding="utf-8")
    network = place.configs / "cni" / "pods.conflist"
    network.write_text(_filled(parts, "pods.conflist"), encoding="utf-8")
    for user in CLIENTS:
        target = place.configs / f"{user}.kubeconfig"
        target.touch(mode=0o600)
        target.write_text(_filled(parts, "kubeconfig.yaml", **_credentials(place, user)))
    (place.configs / "admin.kubeconfig").replace(place.kubeconfig)


def _filled(parts: Parts, name: str, **more: str) -> str:
    text = (parts.tools.templates / name).read_text(encoding="utf-8")
    return Template(text).substitute(
        api_port=str(API_PORT),
        bridge=BRIDGE,
        cgroup=parts.place.cgroup,
        configs=str(parts.place.configs),
        debian=str(parts.tools.debian),
        first_pod=FIRST_POD,
        gateway=GATEWAY,
        keys=str(parts.place.keys),
        kubeconfig=str(parts.place.kubeconfig),
        logs=str(parts.place.logs),
        node=NODE,
        pods=PODS,
        state=str(parts.place.state),
        **more,
    )


def _credentials(place: Place, user: str) -> dict[str, str]:
    files = {"authority": "ca.crt", "certificate": f"{user}.crt", "key": f"{user}.key"}
    coded = {
        name: base64.b64encode((place.keys / file).read_bytes()).decode()
        for name, file in files.items()
    }
    return {"user": user, **coded}
