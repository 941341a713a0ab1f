"""Programs of a one-node cluster from Debian's packages, unpacked into our cache, not installed.

An installed package would start its service at once; one that is unpacked starts nothing. apt
checks each against the archive's signed lists.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.provide.cache import locked, need_free, remove_tree
from harness.provide.chain import Refused, Report
from harness.provide.command import capture

PACKAGES = (
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "libbsd0",
    "libedit2",
    "libjansson4",
    "libmd0",
    "libmnl0",
    "libnetfilter-conntrack3",
    "libnfnetlink0",
    "libnftables1",
    "libnftnl11",
    "libseccomp2",
    "nftables",
    "runc",
)
"""The programs, and the libraries that a small system may lack."""
NEEDED = ("usr/bin/etcd", "usr/bin/containerd", "usr/sbin/runc", "usr/lib/cni/bridge")
APT_S = 600.0
NEED_BYTES = 300 << 20


def find_debian(
    cache: Path, report: Report, *, environ: Mapping[str, str] = os.environ
) -> tuple[Path, str]:
    """The folder that the packages are unpacked in, and what they are; fetched when absent.

    Raises:
        Refused: no apt-get or dpkg, or the packages cannot be had.
        MachineError: too little disk.
    """
    folder = place_of(cache)
    if folder.exists():
        return folder, (folder / "packages").read_text(encoding="utf-8")
    path = environ.get("PATH", "")
    apt, dpkg = (shutil.which(name, path=path) for name in ("apt-get", "dpkg"))
    if apt is None or dpkg is None:
        raise Refused("no apt-get and dpkg here; the cluster's parts come from Debian's packages")
    need_free(cache, NEED_BYTES, "unpacking Debian's packages")
    with locked(folder.parent / ".lock", report):
        if not folder.exists():
            report(f"fetching {len(PACKAGES)} packages of Debian (45 MB)")
            _fetch(folder, apt, dpkg, environ)
    return folder, (folder / "packages").read_text(encoding="utf-8")


def place_of(cache: Path) -> Path:
    """Where they lie: a new list of packages is a new folder."""
    mark = hashlib.sha256("\n".join(PACKAGES).encode()).hexdigest()[:12]
    return cache / "onenode" / f"debian-{mark}"


def _fetch(folder: Path, apt: str, dpkg: str, environ: Mapping[str, str]) -> None:
    fresh = folder.with_name(f".fresh-{folder.name}")
    remove_tree(fresh)
    (fresh / "debs").mkdir(parents=True)
    download = ("sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(fresh / "debs"))
    argv = (*download, apt, "download", "-qq", *PACKAGES)
    try:
        ended = capture(argv, timeout_s=APT_S, env=environ)
        if ended.code != 0:
            capture((apt, "update", "-qq"), timeout_s=APT_S, env=environ)
            ended = capture(argv, timeout_s=APT_S, env=environ)
        if ended.code != 0:
            raise Refused(f"apt-get download: {ended.last_line}")
        debs = sorted((fresh / "debs").glob("*.deb"))
        for deb in debs:
            unpacked = capture((dpkg, "-x", str(deb), str(fresh)), env=environ)
            if unpacked.code != 0:
                raise Refused(f"{deb.name} cannot be unpacked: {unpacked.last_line}")
        missing = [name for name in NEEDED if not (fresh / name).exists()]
        if missing:
            raise Refused(f"Debian's packages here lack {', '.join(missing)}")
        names = "".join(f"{deb.name.removesuffix('.deb')}\n" for deb in debs)
        (fresh / "packages").write_text(names, encoding="utf-8")
        shutil.rmtree(fresh / "debs")
        fresh.rename(folder)
    finally:
        remove_tree(fresh)
