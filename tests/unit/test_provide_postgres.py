"""Addresses, the chain and who runs PostgreSQL; no server is started here."""

import os
from pathlib import Path

import pytest

from harness.cli.providing import or_missing
from harness.errors import UsageError
from harness.provide.chain import Provider, Refused
from harness.provide.postgres import (
    PostgresServer,
    find_postgres,
    host_and_port,
    init_command,
    proven,
)
from harness.provide.unprivileged import Person


@pytest.mark.parametrize("host", ["10.0.0.1", "example.org", "0.0.0.0"])
def test_only_loopback_is_loaded(host: str) -> None:
    """A load test is never pointed at another machine."""
    with pytest.raises(UsageError, match="on loopback"):
        host_and_port(f"postgresql://u:p@{host}:5432/db")


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:5432", "mysql://127.0.0.1/db", "postgresql://127.0.0.1:5432", "a://b:x/"]
)
def test_an_address_names_a_database(url: str) -> None:
    """What is no address is told with an example."""
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:5432/database"):
        host_and_port(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@127.0.0.1:7000/db", ("127.0.0.1", 7000)),
        ("postgres://localhost/db", ("127.0.0.1", 5432)),
        ("postgresql://u@[::1]:7000/db", ("::1", 7000)),
    ],
)
def test_loopback_is_taken(url: str, expected: tuple[str, int]) -> None:
    """Both families, the usual name and the usual port."""
    assert host_and_port(url) == expected


def test_chain_goes_on_after_a_refusal() -> None:
    """The next provider is asked, and the refusal is reported."""
    lines: list[str] = []
    server = PostgresServer(folder=Path("/p"), url="", version="15.1", origin="test")

    def refuse() -> PostgresServer:
        raise Refused("too old")

    chain = (Provider(name="a", get=refuse), Provider(name="b", get=lambda: server))

    assert find_postgres(None, lines.append, environ={}, providers=chain) == server
    assert lines == ["PostgreSQL: a: too old", "PostgreSQL: b: taken"]


def test_named_folder_without_binaries_is_misuse(tmp_path: Path) -> None:
    """ONCEPROOF_POSTGRES_BIN is taken or is an error, never passed over."""
    environ = {"ONCEPROOF_POSTGRES_BIN": str(tmp_path), "ONCEPROOF_CACHE": str(tmp_path)}

    with pytest.raises(UsageError, match=r"ONCEPROOF_POSTGRES_BIN=.*initdb and postgres"):
        find_postgres(None, lambda line: None, environ=environ, providers=())


def test_old_server_is_refused(tmp_path: Path) -> None:
    """Both versions are in the reason, and nothing is remembered."""
    binary = tmp_path / "postgres"
    binary.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 9.6.24'\n")
    binary.chmod(0o755)

    with pytest.raises(Refused, match=r"is 9\.6\.24, and 13 or newer is needed"):
        proven(tmp_path, "test", tmp_path)

    assert not (tmp_path / "postgres" / "proven.txt").exists()


def test_another_user_is_put_before_the_command() -> None:
    """PostgreSQL refuses to be root."""
    other = Person(prefix=("setpriv", "--reuid", "7", "--"), uid=7, gid=7)

    command = init_command(Path("/bin"), Path("/data"), other)

    assert command[:5] == ("setpriv", "--reuid", "7", "--", "/bin/initdb")


def test_a_closed_folder_lets_no_other_in(tmp_path: Path) -> None:
    """Every folder on the way counts, by owner, group and the rest."""
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    stranger = Person(prefix=("setpriv",), uid=os.geteuid() + 1, gid=os.getegid() + 1)

    assert not stranger.may_enter(inner)


def test_a_store_that_is_not_to_be_had_is_missing_with_the_remedy() -> None:
    """Its runs are skipped and say so, while the other runs of the command go on."""
    found, missing = or_missing(
        "postgres", lambda: find_postgres(None, lambda line: None, environ={}, providers=())
    )

    assert found is None
    assert "Next: install PostgreSQL" in missing["postgres"]
