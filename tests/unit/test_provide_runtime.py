"""The chain that finds the Dapr runtime, with stand-ins for the binaries."""

from pathlib import Path

import pytest

from harness.errors import MachineError, UsageError
from harness.provide.build import Sources, parse_version, read_sources
from harness.provide.builds import Builds
from harness.provide.chain import Provider, Refused, first_that_works
from harness.provide.runtime import find_runtime, from_search
from harness.provide.wheel import reason

GO_MOD = "module m\n\ngo 1.26.5\n\nrequire (\n\tgithub.com/dapr/dapr v1.18.2\n)\n"


def refusing(reason: str) -> Provider[str]:
    def get() -> str:
        raise Refused(reason)

    return Provider(name=f"no-{reason}", get=get)


def script(file: Path, body: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file


def own_binary(file: Path, version: str) -> Path:
    body = (
        f'case $1 in version) echo {version};; components) echo "state.redis state.sqlite";; esac'
    )
    return script(file, body)


def official(folder: Path, version: str) -> Path:
    script(folder / "daprd", f"echo {version}")
    script(folder / "placement", "exit 1")
    script(folder / "scheduler", "exit 1")
    return folder


def sources(folder: Path) -> Sources:
    folder.mkdir(exist_ok=True)
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text("package main\n")
    return read_sources(folder)


def test_first_that_works_wins() -> None:
    """Later providers are not asked, earlier refusals are reported with their reason."""
    lines: list[str] = []
    chain = (refusing("a"), Provider(name="b", get=lambda: "B"), refusing("c"))

    thing = first_that_works("thing", chain, lines.append, next_move="none")

    assert thing == "B"
    assert lines == ["thing: no-a: a", "thing: b: taken"]


def test_no_way_lists_every_reason() -> None:
    """When nothing works, one message has every reason and the next move."""
    with pytest.raises(MachineError) as caught:
        first_that_works(
            "thing", (refusing("a"), refusing("b")), lambda line: None, next_move="go on"
        )

    message = "no way to get thing:\n  no-a: a\n  no-b: b\nNext: go on"
    assert str(caught.value) == message


def test_a_machine_error_ends_the_chain() -> None:
    """Too little disk is no reason to try a way that needs more of it."""

    def full() -> str:
        raise MachineError("disk")

    chain = (Provider(name="full", get=full), Provider(name="b", get=lambda: "B"))

    with pytest.raises(MachineError, match="disk"):
        first_that_works("thing", chain, lambda line: None, next_move="none")


def test_named_folder_is_taken(tmp_path: Path) -> None:
    """A folder with onceproof-dapr needs no other provider."""
    binary = own_binary(tmp_path / "onceproof-dapr", "1.18.2")

    runtime = find_runtime(tmp_path, lambda line: None, environ={}, providers=())

    assert runtime.daprd == (str(binary), "daprd")
    assert runtime.components == ("state.redis", "state.sqlite")
    assert runtime.version == "1.18.2"
    assert runtime.digest.startswith("daprd:")


@pytest.mark.parametrize("version", ["1.17.9", "1.19.0", "edge"])
def test_named_folder_of_another_version_is_misuse(tmp_path: Path, version: str) -> None:
    """A folder named by the caller with a wrong daprd stops the command, and is not passed over."""
    official(tmp_path, version)

    with pytest.raises(UsageError, match=r"expected a folder .* of version 1\.18\.x"):
        find_runtime(tmp_path, lambda line: None, environ={}, providers=())


def test_environment_names_a_folder_too(tmp_path: Path) -> None:
    """ONCEPROOF_DAPR_BIN is --dapr-bin for those who cannot give options."""
    environ = {"ONCEPROOF_DAPR_BIN": str(tmp_path / "absent")}

    with pytest.raises(UsageError, match="no folder"):
        find_runtime(None, lambda line: None, environ=environ, providers=())


def test_official_binaries_come_with_their_warning(tmp_path: Path) -> None:
    """The caller is told that official health endpoints bind to every address."""
    lines: list[str] = []

    runtime = from_search(str(official(tmp_path, "1.18.4")), "on PATH", lines.append)

    assert runtime.version == "1.18.4"
    assert runtime.components is None
    assert "every address" in lines[0]


def test_missing_parts_are_named(tmp_path: Path) -> None:
    """A full `dapr init` leaves daprd alone in its folder; the reason says what is missing."""
    script(tmp_path / "daprd", "echo 1.18.2")

    with pytest.raises(Refused, match="no placement, scheduler"):
        from_search(str(tmp_path), "here", lambda line: None)


def test_key_follows_the_sources(tmp_path: Path) -> None:
    """Any change of a source makes another build."""
    before = sources(tmp_path / "runtime")
    (tmp_path / "runtime" / "main.go").write_text("package main // other\n")

    after = read_sources(tmp_path / "runtime")

    assert before.version == after.version == "1.18.2"
    assert before.go_version == (1, 26, 5)
    assert before.key != after.key


def test_damaged_build_is_removed(tmp_path: Path) -> None:
    """A cached binary that does not run is refused once, and the next provider builds anew."""
    builds = Builds(cache=tmp_path, sources=sources(tmp_path / "runtime-src"))
    script(builds.entry / "onceproof-dapr", "exit 3")

    with pytest.raises(Refused, match="damaged"):
        builds.cached()

    assert not builds.entry.exists()


def test_old_go_is_refused_with_both_versions(tmp_path: Path) -> None:
    """Go older than the go directive says so, and is kept from downloading another Go."""
    builds = Builds(cache=tmp_path / "cache", sources=sources(tmp_path / "src"))
    script(tmp_path / "bin" / "go", "[ $GOTOOLCHAIN = local ] && echo go1.22.2")

    with pytest.raises(Refused, match=r"Go 1\.22\.2, and runtime/go\.mod needs 1\.26\.5"):
        builds.with_own_go({"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, lambda line: None)


GO = """
case "$1 $2" in
"env GOVERSION") echo go1.26.8 ;;
"env GOMODCACHE") echo {folder}/modules; echo {folder}/objects ;;
"list -deps") {listing} ;;
"build -v")
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\\necho 1.18.2\\n' > "$2"; chmod +x "$2" ;;
esac
"""


def test_build_lands_whole_in_the_cache(tmp_path: Path) -> None:
    """A build is renamed into place with its description; nothing temporary is left."""
    (tmp_path / "modules/github.com/dapr/dapr@v1.18.2").mkdir(parents=True)
    script(tmp_path / "bin" / "go", GO.format(folder=tmp_path, listing="echo a/package"))
    builds = Builds(cache=tmp_path / "cache", sources=sources(tmp_path / "src"))

    binary = builds.with_own_go({"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, lambda line: None)

    assert binary == builds.cached()
    assert {file.name for file in builds.entry.iterdir()} == {"onceproof-dapr", "build.json"}
    assert {file.name for file in builds.entry.parent.iterdir()} == {
        ".lock",
        "build.log",
        builds.entry.name,
    }


def test_no_network_is_one_line(tmp_path: Path) -> None:
    """Modules that cannot be had refuse with Go's own line, and leave no entry."""
    (tmp_path / "modules/github.com/dapr/dapr@v1.18.2").mkdir(parents=True)
    listing = "echo 'go: m@v1: Get \"https://proxy\": dial tcp: no such host' >&2; exit 1"
    script(tmp_path / "bin" / "go", GO.format(folder=tmp_path, listing=listing))
    builds = Builds(cache=tmp_path / "cache", sources=sources(tmp_path / "src"))

    with pytest.raises(Refused, match=r"cannot get the modules: .*no such host"):
        builds.with_own_go({"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, lambda line: None)

    assert not builds.entry.exists()


def test_an_index_out_of_reach_is_called_that() -> None:
    """pip's closing line speaks of versions when the network is down; the reason does not."""
    text = "WARNING: Retrying: NewConnectionError(...)\nERROR: No matching distribution for x\n"

    assert reason(text).startswith("the package index cannot be reached (ERROR: No matching")
    assert reason("ERROR: hashes differ\n") == "ERROR: hashes differ"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8", (1, 26, 8)),
        ("go1.27", (1, 27)),
        ("go1.26.5 X:nodwarf5", (1, 26, 5)),
        ("Redis server v=6.2.5 sha=00000000:0", (6, 2, 5)),
        ("edge", ()),
    ],
)
def test_versions_are_found_in_words(text: str, version: tuple[int, ...]) -> None:
    """The first dotted number is the version."""
    assert parse_version(text) == version
