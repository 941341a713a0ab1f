"""A RabbitMQ server for this run: an address, an installation, or Debian's package as root.

Called by brokers. What it returns is not running, unless its address was given. The script of the
server itself is used, not Debian's wrapper, which changes the user and writes below /var/lib.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.provide.build import dotted, parse_version
from harness.provide.cache import cache_folder, locked
from harness.provide.chain import Provider, Refused, Report, first_that_works, named_in
from harness.provide.command import capture
from harness.provide.docker import by_docker
from harness.provide.server import Server, remembered, server_at

EXAMPLE = "amqp://user:password@127.0.0.1:5672"
OLDEST = (3, 10)
"""Debian 12's, and the oldest that was tried."""
INSTALLED = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
POLICY = Path("/usr/sbin/policy-rc.d")
APT_S, ERLANG_S = 600.0, 60.0
NEXT_MOVE = (
    "install RabbitMQ 3.10 or newer (Debian: apt-get install rabbitmq-server), or name its script "
    f"in ONCEPROOF_RABBITMQ_BIN, or give the address of a running one, such as {EXAMPLE}"
)


def find_rabbitmq(
    url: str | None,
    report: Report,
    *,
    environ: Mapping[str, str] = os.environ,
    providers: Sequence[Provider[Server]] | None = None,
) -> Server:
    """The RabbitMQ of the first provider that has one; each refusal is reported with its reason.

    Raises:
        UsageError: the address, or the script in ONCEPROOF_RABBITMQ_BIN, cannot be taken.
        MachineError: no provider has one.
    """
    if url is not None:
        return server_at(url, name="RabbitMQ", example=EXAMPLE)
    named = named_in(
        environ,
        "ONCEPROOF_RABBITMQ_BIN",
        lambda path, origin: proven(path, origin, environ),
        expected="the path of a rabbitmq-server",
    )
    if named is not None:
        return named
    chain = rabbitmq_providers(report, environ) if providers is None else providers
    return first_that_works("RabbitMQ", chain, report, next_move=NEXT_MOVE)


def rabbitmq_providers(
    report: Report, environ: Mapping[str, str] = os.environ, *, installed: Path = INSTALLED
) -> tuple[Provider[Server], ...]:
    """The chain of this machine, in order."""
    return (
        Provider(name="this machine", get=lambda: _on_machine(installed, environ)),
        Provider(name="Debian's package", get=lambda: _from_debian(installed, environ, report)),
        by_docker("rabbitmq", environ),
    )


def proven(script: Path, origin: str, environ: Mapping[str, str]) -> Server:
    """A server record of an installation whose Erlang was seen to run it.

    Raises:
        Refused: a part is missing, it does not run, or it is too old.
    """
    path = environ.get("PATH", "")
    missing = [name for name in ("erl", "epmd") if shutil.which(name, path=path) is None]
    if missing:
        raise Refused(f"no {', '.join(missing)} of Erlang on PATH")
    memory = cache_folder(environ) / "rabbitmq" / "proven.json"
    version = remembered(memory, (script,), lambda: _prove(script))
    return Server(argv=(str(script),), version=version, origin=origin)


def _prove(script: Path) -> str:
    """Read the version off its folders, and have its Erlang run.

    Its own tools are not asked: each would leave a daemon behind, epmd, on every address.
    """
    lib = script.parent.parent / "lib"
    names = [script.parent.parent.name, *(path.name for path in lib.glob("rabbitmq_server-*"))]
    found = [name.partition("-")[2] for name in names if name.startswith("rabbitmq_server-")]
    version = parse_version(found[-1]) if found else ()
    if not version:
        raise Refused(f"{script} lies in no folder rabbitmq_server-VERSION, nor beside one in lib")
    if version < OLDEST:
        raise Refused(f"{script} is {dotted(version)}, and {dotted(OLDEST)} or newer is needed")
    ran = capture(["erl", "-noinput", "-eval", "halt()."], timeout_s=ERLANG_S)
    if ran.code != 0:
        raise Refused(f"Erlang does not run: {ran.last_line}")
    return dotted(version)


def _on_machine(installed: Path, environ: Mapping[str, str]) -> Server:
    if installed.exists():
        return proven(installed, f"{installed} on this machine", environ)
    found = shutil.which("rabbitmq-server", path=environ.get("PATH", ""))
    if found is None:
        raise Refused(f"no {installed}, and no rabbitmq-server on PATH")
    return proven(Path(found).resolve(), f"{found} on PATH", environ)


def _from_debian(installed: Path, environ: Mapping[str, str], report: Report) -> Server:
    """Install rabbitmq-server without letting it start, at once or at the next boot."""
    path = environ.get("PATH", "")
    apt = shutil.which("apt-get", path=path)
    if apt is None:
        raise Refused("no apt-get on PATH")
    if os.geteuid() != 0:
        raise Refused("needs root, or: sudo apt-get install rabbitmq-server")
    quiet = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = (apt, "install", "-y", "-qq", "--no-install-recommends", "rabbitmq-server")
    with locked(cache_folder(environ) / "rabbitmq" / ".lock", report), services_kept_down():
        report("RabbitMQ: Debian's package: installing rabbitmq-server and Erlang (60 MB)")
        ended = capture(install, timeout_s=APT_S, env=quiet)
        if ended.code != 0:
            capture((apt, "update", "-qq"), timeout_s=APT_S, env=quiet)
            ended = capture(install, timeout_s=APT_S, env=quiet)
        if ended.code != 0:
            errors = re.findall(r"^E: (.+)", ended.text, re.MULTILINE)
            raise Refused(f"apt-get install: {(errors or [ended.last_line])[0]}")
        if systemctl := shutil.which("systemctl", path=path):
            capture((systemctl, "disable", "rabbitmq-server", "epmd.socket", "epmd.service"))
    return _on_machine(installed, environ)


@contextmanager
def services_kept_down(policy: Path = POLICY) -> Iterator[None]:
    """Have Debian's maintainer scripts start no service meanwhile, by the policy they ask.

    Raises:
        Refused: the machine has a policy of its own, and it would let the service start.

    Source: invoke-rc.d(8), policy-rc.d: exit status 101 is "action forbidden by policy".
    """
    if policy.exists():
        if capture([str(policy), "rabbitmq-server", "start"]).code != 101:
            raise Refused(f"{policy} would let the package start its service at once")
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)
