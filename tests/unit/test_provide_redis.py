"""Addresses and the chain of Redis; no server is started here."""

from pathlib import Path

import pytest

from harness.errors import MachineError, UsageError
from harness.provide.chain import Provider, Refused
from harness.provide.proof import proven_version
from harness.provide.redis import RedisServer, find_redis, parse_address


@pytest.mark.parametrize("address", ["10.0.0.1:6379", "example.org:6379", "0.0.0.0:6379"])
def test_only_loopback_is_loaded(address: str) -> None:
    """A load test is never pointed at another machine."""
    with pytest.raises(UsageError, match="on loopback"):
        parse_address(address)


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "a:b:1x"])
def test_an_address_is_host_and_port(address: str) -> None:
    """What is no address is told with an example."""
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:6379|on loopback"):
        parse_address(address)


@pytest.mark.parametrize(
    ("address", "host"),
    [("127.0.0.1:7000", "127.0.0.1"), ("localhost:7000", "127.0.0.1"), ("[::1]:7000", "::1")],
)
def test_loopback_is_taken(address: str, host: str) -> None:
    """Both families and the usual name."""
    assert parse_address(address) == (host, 7000)


def test_nobody_at_the_address() -> None:
    """An address where nobody answers is the machine's to mend."""
    with pytest.raises(MachineError, match=r"no Redis answers at 127\.0\.0\.1:1 "):
        find_redis("127.0.0.1:1", lambda line: None, environ={}, providers=())


def test_chain_goes_on_after_a_refusal() -> None:
    """The next provider is asked, and the refusal is reported."""
    lines: list[str] = []
    server = RedisServer(argv=("r",), address=None, version="7.0.15", origin="test")

    def refuse() -> RedisServer:
        raise Refused("too old")

    chain = (Provider(name="a", get=refuse), Provider(name="b", get=lambda: server))

    assert find_redis(None, lines.append, environ={}, providers=chain) == server
    assert lines == ["Redis: a: too old", "Redis: b: taken"]


def test_named_binary_that_is_absent_is_misuse(tmp_path: Path) -> None:
    """ONCEPROOF_REDIS_BIN is taken or is an error, never passed over."""
    environ = {"ONCEPROOF_REDIS_BIN": str(tmp_path / "no"), "ONCEPROOF_CACHE": str(tmp_path)}

    with pytest.raises(UsageError, match=r"ONCEPROOF_REDIS_BIN=.*No such file"):
        find_redis(None, lambda line: None, environ=environ, providers=())


def test_old_server_is_refused(tmp_path: Path) -> None:
    """Both versions are in the reason, and nothing is remembered."""
    binary = tmp_path / "redis-server"
    binary.write_text("#!/bin/sh\necho 'Redis server v=5.0.3 sha=0'\n")
    binary.chmod(0o755)

    with pytest.raises(Refused, match=r"is 5\.0\.3, and 6\.2 or newer is needed"):
        proven_version(binary, tmp_path / "proven.json")

    assert not (tmp_path / "proven.json").exists()
