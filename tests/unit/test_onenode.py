"""A one-node cluster's parts that need no root: its configuration, its images, its record."""

import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from harness.cluster.onenode import cgroups
from harness.cluster.onenode.dapr import without_sidecar
from harness.cluster.onenode.parts import CLIENTS, Parts, write_configs
from harness.cluster.onenode.place import GATEWAY, Place, Tools
from harness.cluster.onenode.starter import environ_of, folder_of, in_network, take_down, why_not
from harness.errors import MachineError, UsageError
from harness.provide.build import Toolchain as Go
from harness.provide.build import build_command, parse_version, read_sources, says_version
from harness.provide.chain import Refused
from harness.provide.data import module_sources, runtime_sources
from harness.provide.onenode.archives import Image, write_archive, write_layer
from harness.provide.onenode.debian import NEEDED, PACKAGES, find_debian, place_of
from harness.provide.onenode.programs import CHAOS_MESH, DAPR_IMAGES, KUBERNETES
from harness.provide.onenode.worker_image import needed, remove_oldest, roots

KEYS = """#!/bin/sh
for name in ca apiserver admin kube-controller-manager kube-scheduler kubelet; do
  echo "$3" > "$2/$name.crt"; echo key > "$2/$name.key"
done
"""
APT = """#!/bin/sh
echo "$@" >> "$APT_LOG"
[ "$1" = update ] && { : > "$APT_LOG.updated"; exit 0; }
[ -n "$APT_STALE" ] && [ ! -e "$APT_LOG.updated" ] && { echo "E: no such package"; exit 100; }
shift 2
for name in "$@"; do : > "${name}_1.0_amd64.deb"; done
"""
DPKG = """#!/bin/sh
for file in $DPKG_GIVES; do mkdir -p "$3/$(dirname "$file")"; : > "$3/$file"; done
"""


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def tools(folder: Path) -> Tools:
    return Tools(
        kube=script(folder / "kube", KEYS),
        debian=folder / "debian",
        templates=module_sources("kubernetes") / "config",
        images=(folder / "pause.tar",),
        dapr="1.18.2",
        chart=folder / "chart",
        chaos_chart=folder / "chaos",
        chaos_mesh="0.9.1",
    )


def layer_of(folder: Path, name: str, content: bytes) -> bytes:
    return write_layer(folder / name, files={"bin/sh": content}).tar.read_bytes()


def test_every_configuration_is_whole(tmp_path: Path) -> None:
    """No placeholder stays open, YAML is YAML, and keys are their owner's alone."""
    place = Place(tmp_path / "cluster")

    write_configs(Parts(place=place, tools=tools(tmp_path)))

    written = [path for path in place.configs.rglob("*") if path.is_file()]
    assert all("$" not in path.read_text() for path in written)
    kubelet = yaml.safe_load((place.configs / "kubelet.yaml").read_text())
    assert kubelet["cgroupRoot"] == f"/{place.cgroup}"
    users = [place.configs / f"{user}.kubeconfig" for user in CLIENTS if user != "admin"]
    for path in (place.kubeconfig, *users):
        assert path.stat().st_mode & 0o077 == 0
        server = yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"]
        assert server == f"https://{GATEWAY}:16443"


def test_two_clusters_share_no_control_group() -> None:
    """Clusters of two folders have groups of two names, as the groups are the machine's."""
    assert Place(Path("/a/one")).cgroup != Place(Path("/b/one")).cgroup


def test_hierarchies_are_read_from_the_mounts(tmp_path: Path) -> None:
    """Both versions of control groups are found, and nothing else."""
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "proc /proc proc rw 0 0\n"
        "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
        "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
    )

    found = cgroups.hierarchies(mounts)

    assert found == [Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/unified")]


def test_tools_survive_the_way_to_process_1(tmp_path: Path) -> None:
    """What is written for process 1 is read back equal."""
    place = Place(tmp_path)
    place.write_tools(tools(tmp_path))

    assert place.read_tools() == tools(tmp_path)


def test_a_cluster_whose_keeper_is_gone_is_not_entered(tmp_path: Path) -> None:
    """A record alone is no cluster: its keeper is asked for, by id and start time."""
    place = Place(tmp_path)
    place.write_tools(tools(tmp_path))
    place.write_record(init=1)
    assert place.is_kept()
    record = json.loads(place.record_file.read_text())
    pid = record["keeper"].partition(".")[0]
    place.record_file.write_text(json.dumps({**record, "keeper": f"{pid}.1"}))

    assert not place.is_kept()
    with pytest.raises(UsageError, match="no cluster is up"):
        in_network(place, ["true"])


def test_a_command_inside_is_told_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds the API and the worker's image by itself, asks through no proxy, and may differ."""
    place = Place(tmp_path)
    place.write_tools(replace(tools(tmp_path), worker="localhost/worker:1"))
    place.write_record(init=1)
    monkeypatch.delenv("ONCEPROOF_WORKER_IMAGE", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    inside = environ_of(place)
    monkeypatch.setenv("ONCEPROOF_WORKER_IMAGE", "own")

    assert inside["KUBECONFIG"] == str(place.kubeconfig)
    assert inside["ONCEPROOF_WORKER_IMAGE"] == "localhost/worker:1"
    assert "HTTPS_PROXY" not in inside
    assert environ_of(place)["ONCEPROOF_WORKER_IMAGE"] == "own"


def test_a_record_of_another_schema_is_refused(tmp_path: Path) -> None:
    """A later onceproof's cluster is not taken down by guess."""
    place = Place(tmp_path)
    place.record_file.write_text('{"schema": 99}')

    with pytest.raises(MachineError, match="schema 99, expected 1"):
        take_down(place)


def test_a_pod_without_a_sidecar_is_named() -> None:
    """Pods that an absent injector admitted are named; a native sidecar is an init container."""
    pods = {
        "items": [
            {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "w"}, {"name": "daprd"}]}},
            {"metadata": {"name": "b"}, "spec": {"containers": [{"name": "w"}]}},
            {
                "metadata": {"name": "c"},
                "spec": {"containers": [{"name": "w"}], "initContainers": [{"name": "daprd"}]},
            },
        ]
    }

    assert without_sidecar(pods) == ["b"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    """The name of a cluster is the name of a folder in the cache."""
    with pytest.raises(UsageError, match="expected letters"):
        folder_of(Path("/cache"), name)


def test_what_the_machine_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its commands, or without root, there is a reason with a remedy."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert why_not() == "no unshare, nsenter, setpriv, mount, ip; install util-linux and iproute2"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert why_not().startswith("needs root")


def test_equal_files_make_equal_layers(tmp_path: Path) -> None:
    """Dates and order do not show; contents do."""
    assert layer_of(tmp_path, "one", b"x") == layer_of(tmp_path, "two", b"x")
    assert layer_of(tmp_path, "one", b"x") != layer_of(tmp_path, "two", b"y")


def test_an_archive_names_its_layers_by_their_digest(tmp_path: Path) -> None:
    """A runtime finds configuration, layers and names in the manifest; nobody runs as root."""
    layer = write_layer(tmp_path / "layer", files={"dapr": b"x"}, links={"daprd": "dapr"})
    image = Image(layers=(layer,), entrypoint=("/daprd",))
    archive = tmp_path / "image.tar"

    write_archive(archive, image, ["localhost/daprd:1", "localhost/sentry:1"])

    with tarfile.open(archive) as tar:
        read = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    (manifest,) = json.loads(read["manifest.json"])
    config = json.loads(read[manifest["Config"]])
    assert manifest["RepoTags"] == ["localhost/daprd:1", "localhost/sentry:1"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer.digest}"]
    assert config["config"]["User"] == "65532"
    assert read[manifest["Layers"][0]] == layer.tar.read_bytes()
    with tarfile.open(layer.tar) as tar:
        assert tar.getmember("daprd").linkname == "dapr"
        assert tar.getmember("tmp").mode == 0o1777


def test_a_worker_gets_what_its_packages_require() -> None:
    """The closure goes through requirements of requirements, and no extra that nobody asked for."""
    names = {one.name.lower() for one in needed([Requirement("dapr")])}

    assert {"dapr", "grpcio", "protobuf", "multidict"} <= names
    assert "pytest" not in names


def test_an_image_of_the_harness_has_what_the_harness_imports() -> None:
    """Beside what its workers have, which have neither the load generator nor the client."""
    whole, worker = (
        {one.name for one in roots(("dapr_workflow",), has_harness=is_so)}
        for is_so in (True, False)
    )

    assert worker < whole
    assert {"locust", "kubernetes", "jinja2"} <= whole - worker


def test_the_newest_archives_stay(tmp_path: Path) -> None:
    """Each is of hundreds of megabytes, and every change of the sources makes one."""
    for age, name in enumerate("edcba"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (100 - age, 100 - age))

    remove_oldest(tmp_path.iterdir())

    assert {path.name for path in tmp_path.iterdir()} == set("edcb")


def test_packages_that_are_missing_are_all_named() -> None:
    """One message names every package that an engine's image needs and this environment lacks."""
    with pytest.raises(UsageError, match="needs absent-one, absent-two,"):
        needed([Requirement("absent-two"), Requirement("absent-one")])


def test_debian_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that are too old are renewed; a second call asks nobody."""
    environ = fake_debian(tmp_path, gives=" ".join(NEEDED)) | {"APT_STALE": "yes"}

    folder, packages = find_debian(tmp_path / "cache", lambda _: None, environ=environ)
    asked = (tmp_path / "log").read_text().splitlines()
    again, _ = find_debian(tmp_path / "cache", lambda _: None, environ=environ)

    assert [line.split()[0] for line in asked] == ["download", "update", "download"]
    assert (folder / NEEDED[0]).exists()
    assert packages.split() == [f"{name}_1.0_amd64" for name in sorted(PACKAGES)]
    assert again == folder
    assert (tmp_path / "log").read_text().splitlines() == asked


def test_packages_without_a_program_are_refused(tmp_path: Path) -> None:
    """Half a set of programs is no set: nothing stays in the cache, and the message names it."""
    environ = fake_debian(tmp_path, gives=" ".join(NEEDED[1:]))

    with pytest.raises(Refused, match=NEEDED[0]):
        find_debian(tmp_path / "cache", lambda _: None, environ=environ)

    assert not place_of(tmp_path / "cache").exists()


def fake_debian(folder: Path, *, gives: str) -> dict[str, str]:
    script(folder / "bin/apt-get", APT)
    script(folder / "bin/dpkg", DPKG)
    path = f"{folder / 'bin'}:/usr/bin:/bin"
    return {"PATH": path, "APT_LOG": str(folder / "log"), "DPKG_GIVES": gives}


def test_kubernetes_says_the_version_of_its_module() -> None:
    """The linker stamps what go.mod names, in full and in parts."""
    sources = read_sources(module_sources("kubernetes"), KUBERNETES)
    go = Go(go="go", version=parse_version("1.26.0"), environ={})

    command = " ".join(build_command(sources, go, Path("/out")))

    assert f"gitVersion=v{sources.version}" in command
    assert f"gitMinor={sources.version.split('.')[1]} " in command


def test_dapr_in_images_is_the_module_of_the_runtime() -> None:
    """Local pods and pods of Kubernetes get one version of Dapr, from the same files."""
    local, images = read_sources(runtime_sources()), read_sources(runtime_sources(), DAPR_IMAGES)
    go = Go(go="go", version=parse_version("1.26.0"), environ={})

    assert local.key == images.key
    assert "-tags kubernetes" in " ".join(build_command(images, go, Path("/out")))


@pytest.mark.parametrize(("change", "is_so"), [("", True), ("1", False)])
def test_a_program_of_the_module_itself_is_built_and_asked(
    tmp_path: Path, change: str, is_so: bool
) -> None:
    """Chaos Mesh's controller has no main of ours: its package, its flag, its words."""
    sources = read_sources(module_sources(CHAOS_MESH.folder), CHAOS_MESH)
    go = Go(go="go", version=(1, 26), environ={})
    words = f'Controller manager Version: version.Info{{GitVersion:"v{sources.version}{change}"}}'
    said = script(tmp_path / "said", f"#!/bin/sh\n[ $1 = -version ] && echo '{words}'\n")

    assert build_command(sources, go, Path("/out"))[-1] == CHAOS_MESH.package
    assert says_version(said, sources) is is_so
