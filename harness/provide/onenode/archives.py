"""Images without Docker: archives that a container runtime imports, from layers of plain files.

The same files give the same bytes: entries are sorted, dates are zero, owners are root. An image is
known by the digest of its configuration, which names its layers by theirs.

Source: the image specification of Docker, version 1.2 (manifest.json, as of `docker save`).
"""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NOBODY = 65532
"""The user that containers run as; pods that must not run as root take a number only."""
MADE = "1970-01-01T00:00:00Z"
PEOPLE = {
    "etc/passwd": f"root:x:0:0:root:/:/\nnonroot:x:{NOBODY}:{NOBODY}:nonroot:/:/\n".encode(),
    "etc/group": f"root:x:0:\nnonroot:x:{NOBODY}:\n".encode(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Files of an image, written once and shared by the images that have it."""

    tar: Path
    digest: str
    """SHA-256 of the tar, hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What is in an image, and how its containers start."""

    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    """Where its containers start."""

    def config(self) -> bytes:
        """Its configuration, whose digest it is known by."""
        said = {
            "architecture": "amd64",
            "os": "linux",
            "created": MADE,
            "config": {
                "User": str(NOBODY),
                "WorkingDir": self.folder,
                "Entrypoint": list(self.entrypoint) or None,
                "Env": [f"{name}={text}" for name, text in sorted(self.environ.items())],
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{layer.digest}" for layer in self.layers],
            },
            "history": [{"created": MADE} for _ in self.layers],
        }
        return json.dumps(said, sort_keys=True).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of its configuration, hexadecimal."""
        return hashlib.sha256(self.config()).hexdigest()


def write_layer(
    target: Path,
    *,
    files: Mapping[str, Path | bytes],
    links: Mapping[str, str] | None = None,
    trees: Sequence[tuple[str, Path]] = (),
    folders: Iterable[str] = ("tmp",),
) -> Layer:
    """Write the files, links and whole folders of a layer as a tar; `tmp` may be written by all."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(folders):
            entry = _entry(name, tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755)
            tar.addfile(entry)
        for name, source in sorted({**PEOPLE, **files}.items()):
            _add_file(tar, name, source)
        for name, towards in sorted((links or {}).items()):
            entry = _entry(name, tarfile.SYMTYPE, 0o777)
            entry.linkname = towards
            tar.addfile(entry)
        for prefix, tree in trees:
            for path in _walk(tree):
                _add_file(tar, f"{prefix}/{path.relative_to(tree)}", path)
    return read_layer(target)


def read_layer(tar: Path) -> Layer:
    """A layer that was written before."""
    with tar.open("rb") as content:
        return Layer(tar=tar, digest=hashlib.file_digest(content, "sha256").hexdigest())


def write_archive(target: Path, image: Image, names: Sequence[str]) -> None:
    """Write what a container runtime imports, under all of `names`; whole or not at all."""
    config, digest = image.config(), image.digest
    layers = [f"{layer.digest}/layer.tar" for layer in image.layers]
    manifest = [{"Config": f"{digest}.json", "RepoTags": list(names), "Layers": layers}]
    fresh = target.with_suffix(".fresh")
    with tarfile.open(fresh, "w", format=tarfile.PAX_FORMAT) as tar:
        _add_file(tar, f"{digest}.json", config)
        for name, layer in zip(layers, image.layers, strict=True):
            _add_file(tar, name, layer.tar)
        _add_file(tar, "manifest.json", json.dumps(manifest).encode())
    fresh.replace(target)


def _walk(tree: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            yield Path(folder, name)


def _add_file(tar: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    if isinstance(source, bytes):
        entry = _entry(name, tarfile.REGTYPE, 0o644)
        entry.size = len(source)
        tar.addfile(entry, io.BytesIO(source))
        return
    if source.is_symlink():
        entry = _entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = str(source.readlink())
        tar.addfile(entry)
        return
    facts = source.stat()
    entry = _entry(name, tarfile.REGTYPE, 0o755 if facts.st_mode & 0o100 else 0o644)
    entry.size = facts.st_size
    with source.open("rb") as content:
        tar.addfile(entry, content)


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name.lstrip("/"))
    entry.type, entry.mode = kind, mode
    return entry
