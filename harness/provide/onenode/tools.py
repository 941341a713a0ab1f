"""Everything that a one-node cluster is made of, found or made; a second call finds it all."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from harness.clock import NS_PER_S
from harness.cluster.onenode.place import Tools
from harness.cluster.onenode.starter import why_not
from harness.errors import MachineError
from harness.provide.builds import Builds
from harness.provide.cache import cache_folder, locked
from harness.provide.chain import Refused, Report, Thing
from harness.provide.command import SYSTEM_CLOCK
from harness.provide.data import module_sources
from harness.provide.onenode.archives import Image, write_archive, write_layer
from harness.provide.onenode.debian import find_debian, place_of
from harness.provide.onenode.programs import (
    CHAOS_MESH,
    DAPR_IMAGES,
    KUBERNETES,
    builds_of,
    find_program,
)
from harness.provide.onenode.worker_image import find_worker_image

PAUSE = "localhost/onceproof-pause:1"
CHAOS_IMAGE = "chaos-mesh/chaos-mesh"
DAPR_PARTS = ("daprd", "injector", "operator", "placement", "scheduler", "sentry")


def find_tools(
    report: Report,
    *,
    has_dapr: bool = True,
    engines: Sequence[str] | None = ("dapr_workflow",),
    has_harness: bool = False,
    has_chaos_mesh: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Tools:
    """Find or make all parts; each step is reported with its seconds.

    With ``has_harness`` the worker's image is one that the harness, too, can run from.

    Raises:
        UsageError: an engine's packages are not installed.
        MachineError: the machine cannot hold a cluster, or a part cannot be had.
    """
    if reason := why_not():
        raise MachineError(f"skipped: no cluster here: {reason}")
    cache = cache_folder(environ)
    kube = _timed(report, "Kubernetes", lambda: find_program(KUBERNETES, cache, report, environ))
    debian = _timed(report, "Debian's packages", lambda: _debian(cache, report, environ))
    images = [_timed(report, "the image of pause", lambda: _pause(cache, debian))]
    dapr: Builds | None = None
    if has_dapr:
        dapr = _timed(report, "Dapr", lambda: find_program(DAPR_IMAGES, cache, report, environ))
        images.append(_timed(report, "the image of Dapr", partial(dapr_image, dapr, report)))
    chaos: Builds | None = None
    if has_chaos_mesh:
        chaos = _timed(
            report, "Chaos Mesh", lambda: find_program(CHAOS_MESH, cache, report, environ)
        )
        images.append(
            _timed(report, "the image of Chaos Mesh", partial(chaos_image, chaos, report))
        )
    worker = None
    if engines is not None:
        worker = _timed(
            report,
            "the image of workers",
            lambda: find_worker_image(cache, engines, report, has_harness=has_harness),
        )
        images.append(worker.archive)
    return Tools(
        kube=kube.binary,
        debian=debian,
        templates=module_sources("kubernetes") / "config",
        images=tuple(images),
        dapr=dapr.sources.version if dapr else "",
        chart=dapr.kept if dapr else None,
        worker=worker.name if worker else "",
        chaos_mesh=chaos.sources.version if chaos else "",
        chaos_chart=chaos.kept if chaos else None,
    )


def lacking(cache: Path) -> list[str]:
    """What a cluster with Dapr would have to fetch or build first, in words."""
    programs = [builds_of(program, cache) for program in (KUBERNETES, DAPR_IMAGES)]
    found = [one.sources.program.title for one in programs if not one.binary.exists()]
    return found if place_of(cache).exists() else [*found, "Debian's packages"]


def dapr_image(builds: Builds, report: Report) -> Path:
    """The archive of Dapr's image, which is one binary under the names of all parts."""
    links = dict.fromkeys(DAPR_PARTS, builds.binary.name)
    names = [f"localhost/{part}:{builds.sources.version}" for part in DAPR_PARTS]
    return _image_of(builds, report, names, place=builds.binary.name, links=links)


def chaos_image(builds: Builds, report: Report) -> Path:
    """The archive of Chaos Mesh's image, under the name and at the place that its chart has."""
    names = [f"localhost/{CHAOS_IMAGE}:{builds.sources.version}"]
    return _image_of(builds, report, names, place=f"usr/local/bin/{builds.binary.name}", links={})


def _image_of(
    builds: Builds, report: Report, names: Sequence[str], *, place: str, links: Mapping[str, str]
) -> Path:
    """The archive of an image that holds one binary at `place`, and links to it."""
    archive = builds.entry / "image.tar"
    with locked(builds.entry.parent / ".lock", report):
        if not archive.exists():
            files = {place: builds.binary}
            layer = write_layer(builds.entry / "layer.tar", files=files, links=links)
            write_archive(archive, Image(layers=(layer,)), names)
            layer.tar.unlink()
    return archive


def _debian(cache: Path, report: Report, environ: Mapping[str, str]) -> Path:
    try:
        return find_debian(cache, report, environ=environ)[0]
    except Refused as refusal:
        raise MachineError(f"skipped: no cluster here: {refusal}") from refusal


def _pause(cache: Path, debian: Path) -> Path:
    """The image that holds a pod's namespaces: a program that sleeps."""
    archive = cache / "onenode" / f"pause-{debian.name}.tar"
    if not archive.exists():
        busybox = debian / "bin/busybox"
        layer = write_layer(archive.with_suffix(".layer"), files={"bin/busybox": busybox})
        entrypoint = ("/bin/busybox", "sleep", "infinity")
        write_archive(archive, Image(layers=(layer,), entrypoint=entrypoint), [PAUSE])
        layer.tar.unlink()
    return archive


def _timed(report: Report, what: str, step: Callable[[], Thing]) -> Thing:
    """Take one step and report its seconds."""
    began_ns = SYSTEM_CLOCK.monotonic_ns()
    found = step()
    seconds = (SYSTEM_CLOCK.monotonic_ns() - began_ns) / NS_PER_S
    report(f"{what}: {seconds:.1f} s")
    return found
