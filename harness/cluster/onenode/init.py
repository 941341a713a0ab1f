"""Process 1 of a one-node cluster: `python -m harness.cluster.onenode.init FOLDER`.

Started by the keeper inside fresh network, mount and process namespaces, where nothing it does
reaches the machine. It starts every part, says on the progress file how far it is, and lives until
it is killed or a part dies; the kernel then kills all the others.
"""

import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

from harness.clock import NS_PER_S, SystemClock
from harness.cluster.onenode.parts import ETCD, Parts, write_configs
from harness.cluster.onenode.place import API, BRIDGE, GATEWAY, NODE, SERVICES, Place
from harness.errors import HarnessError, OnceproofError

READY_S = 60.0
IMPORT_S = 300.0
POLL_S = 0.1
VOLUMES = 32
"""How many volumes there are for claims; a claim keeps its own until the cluster goes."""
NOBODY = 65532
"""The user of our images, and of Dapr's."""
# What the kubelet wants of the kernel. It would set these for the whole machine; instead it is
# shown files that read so.
SHOWN = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}
# Only this process may do without the proxies of the environment: everything it asks is its own.
DIRECT = urllib.request.ProxyHandler({})
CLOCK = SystemClock()


class Init:
    """One cluster, from empty namespaces to a node that is ready."""

    def __init__(self, place: Place) -> None:
        """The tools are in the place already."""
        self.place = place
        self.parts = Parts(place=place, tools=place.read_tools())
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._began_ns = CLOCK.monotonic_ns()

    def bring_up(self) -> None:
        """Start all parts in order, side by side where they do not wait for each other.

        Raises:
            HarnessError: a part ended, or was not ready in time; the message has its last lines.
        """
        prepare_mounts()
        prepare_network()
        write_configs(self.parts)
        self._prepare_folders()
        self._start("etcd", self.parts.etcd())
        self._start("containerd", self.parts.containerd())
        with ThreadPoolExecutor(max_workers=1) as pool:
            imported = pool.submit(self._import_images)
            self._wait("etcd", lambda: b"true" in ask(f"{ETCD}/health"))
            self._start("kube-apiserver", self.parts.apiserver())
            caller = self._caller()
            self._wait("kube-apiserver", lambda: bool(ask(f"{API}/readyz", caller())))
            self.say("the API answers")
            self._start("kube-controller-manager", self.parts.controllers())
            self._start("kube-scheduler", self.parts.scheduler())
            self._start("kubelet", self.parts.kubelet())
            self._start("kube-proxy", self.parts.proxy())
            self._start("coredns", self.parts.names())
            self._wait("kubelet", lambda: is_ready(ask(f"{API}/api/v1/nodes/{NODE}", caller())))
            self.say("the node is ready")
            account = f"{API}/api/v1/namespaces/default/serviceaccounts/default"
            self._wait("kube-controller-manager", lambda: bool(ask(account, caller())))
            self._wait("coredns", lambda: bool(ask("http://127.0.0.1:8181/ready")))
            self._await_images(imported)
        self.say("up")

    def stay(self) -> int:
        """Reap until a part ends, which is the end of the cluster; 1."""
        while True:
            pid, status = os.waitpid(-1, 0)
            for name in [name for name, one in self.running.items() if one.pid == pid]:
                code = os.waitstatus_to_exitcode(status)
                self.say(f"failed: {name} ended with {code}\n{self._last_lines(name)}")
                return 1

    def say(self, line: str) -> None:
        """Append an event to the progress file, with the seconds since the start."""
        age_s = (CLOCK.monotonic_ns() - self._began_ns) / NS_PER_S
        with self.place.progress.open("a", encoding="utf-8") as progress:
            progress.write(json.dumps({"s": round(age_s, 1), "what": line}) + "\n")

    def _prepare_folders(self) -> None:
        for name in ("containerd", "kubelet", "volume-plugins"):
            (self.place.state / name).mkdir(parents=True, exist_ok=True)
        for index in range(VOLUMES):
            volume = self.place.state / "volumes" / str(index)
            volume.mkdir(parents=True, exist_ok=True)
            os.chown(volume, NOBODY, NOBODY)
        # The kubelet makes sockets below its folder, and their paths may have 108 signs.
        Path("/var/lib/kubelet").mkdir(exist_ok=True)
        call("mount", "--bind", str(self.place.state / "kubelet"), "/var/lib/kubelet")

    def _start(self, name: str, argv: tuple[str, ...]) -> None:
        with (self.place.logs / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.parts.environ(),
                start_new_session=True,
            )

    def _import_images(self) -> int:
        self._wait("containerd", self._runtime_answers)
        for archive in self.parts.tools.images:
            done = subprocess.run(
                self.parts.import_image(archive),
                capture_output=True,
                text=True,
                timeout=IMPORT_S,
                check=False,
                env=self.parts.environ(),
            )
            if done.returncode != 0:
                raise HarnessError(f"{archive} was not imported: {done.stderr.strip()[-400:]}")
        return len(self.parts.tools.images)

    def _await_images(self, imported: Future[int]) -> None:
        self.say(f"{imported.result(timeout=IMPORT_S)} images are imported")

    def _runtime_answers(self) -> bool:
        asked = (*self.parts.import_image(Path())[:5], "version")
        done = subprocess.run(asked, capture_output=True, check=False, env=self.parts.environ())
        return done.returncode == 0

    def _caller(self) -> Callable[[], ssl.SSLContext]:
        keys = self.place.keys
        context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        context.load_cert_chain(keys / "admin.crt", keys / "admin.key")
        return lambda: context

    def _wait(self, name: str, is_there: Callable[[], bool]) -> None:
        """Poll until `is_there`, which may raise OSError meanwhile, or the part has ended."""
        began_ns = CLOCK.monotonic_ns()
        said = ""
        while (CLOCK.monotonic_ns() - began_ns) / NS_PER_S < READY_S:
            if (code := self.running[name].poll()) is not None:
                raise HarnessError(f"{name} ended with {code}; {self._last_lines(name)}")
            try:
                if is_there():
                    return
            except OSError as error:
                said = str(error)
            Event().wait(POLL_S)
        raise HarnessError(
            f"{name} was not ready within {READY_S:g} s ({said}); {self._last_lines(name)}"
        )

    def _last_lines(self, name: str) -> str:
        log = self.place.logs / f"{name}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return f"the end of {log}:\n" + "\n".join(lines)


def prepare_mounts() -> None:
    """A /run of its own, a layer of its own over /var/lib, and sysctls that please the kubelet."""
    call("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    for name in ("onceproof", "upper", "work"):
        Path("/run", name).mkdir()
    layers = "lowerdir=/var/lib,upperdir=/run/upper,workdir=/run/work"
    call("mount", "-t", "overlay", "-o", layers, "overlay", "/var/lib")
    for index, (name, text) in enumerate(SHOWN.items()):
        shown = Path(f"/run/onceproof/sysctl-{index}")
        shown.write_text(text + "\n", encoding="utf-8")
        call("mount", "--bind", str(shown), f"/proc/sys/{name}")


def prepare_network() -> None:
    """A bridge with the node's address, and a route to the addresses of Services.

    They are rewritten after the routing decision, so that there must be a route.
    """
    call("ip", "link", "set", "lo", "up")
    call("ip", "link", "add", BRIDGE, "type", "bridge")
    call("ip", "address", "add", f"{GATEWAY}/22", "dev", BRIDGE)
    call("ip", "link", "set", BRIDGE, "up")
    call("ip", "route", "add", SERVICES, "dev", BRIDGE)


def call(*argv: str) -> None:
    """Run one command of the system.

    Raises:
        HarnessError: it failed; the message is its own.
    """
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HarnessError(f"{' '.join(argv)}: {done.stderr.strip()}")


def ask(url: str, context: ssl.SSLContext | None = None) -> bytes:
    """What an address of the cluster's own answers.

    Raises:
        OSError: it does not, or not with 200.
    """
    handlers: list[urllib.request.BaseHandler] = [DIRECT]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(url, timeout=2.0) as answer:
        body: bytes = answer.read()
    return body


def is_ready(node: bytes) -> bool:
    """Whether a node, as the API describes it, is ready."""
    conditions = json.loads(node)["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def main(folder: str) -> int:
    """Bring the cluster up and stay; 1 when a part failed."""
    init = Init(Place(Path(folder)))
    try:
        init.bring_up()
    except OnceproofError as error:
        init.say(f"failed: {error}")
        return 1
    return init.stay()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
