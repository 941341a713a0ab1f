"""Component files: read from components/, connection metadata overridden, written into the run."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from harness.errors import UsageError
from harness.protocols import Component

OLD = "-old"
"""Behind the names of what reads from a broker that nobody publishes to any more."""
FIRST = "starts"
"""Of the topics, the one whose reader the shipped component is."""


def write_component(component: Component, *, source: Path, target: Path, reader: str = "") -> Path:
    """Write the effective file of ``component`` into the folder ``target``; returns its path.

    ``reader`` makes it the copy for another reader: it stands behind the names of all three.

    Raises:
        UsageError: the file is missing, does not parse, or lacks an overridden entry.
    """
    path = source / component.file
    try:
        content = yaml.safe_load(path.read_text())
        spec = content["spec"]
        listed = () if content.get("kind") == "MCPServer" else spec["metadata"]
        entries = {entry["name"]: entry for entry in listed}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected a Dapr component file") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: not a Dapr component ({error}); expected spec.metadata"
        ) from error
    wanted = {*component.metadata, *([component.reader_entry] if reader else ())}
    missing = sorted(wanted - set(entries))
    if missing:
        raise UsageError(f"{path}: spec.metadata lacks {', '.join(missing)}; add it with a default")
    for name, value in component.metadata.items():
        entries[name]["value"] = value
    if reader:
        content["metadata"]["name"] += f"-{reader}"
        entries[component.reader_entry]["value"] += f"-{reader}"
    target.mkdir(parents=True, exist_ok=True)
    effective = target / f"{path.stem}{'-' if reader else ''}{reader}{path.suffix}"
    effective.write_text(yaml.safe_dump(content, sort_keys=False))
    return effective


def write_messages(component: Component, *, source: Path, target: Path) -> None:
    """Write a pub/sub component and the subscriptions over it: ``subscription-<topic>.yaml``.

    Where the component has one reader, that of `FIRST`, each other topic gets a copy of it.

    Raises:
        UsageError: see `write_component`.
    """
    write_component(component, source=source, target=target)
    for path in source.glob("subscription-*.yaml"):
        reader = path.stem.removeprefix("subscription-")
        text = path.read_text()
        if component.reader_entry and reader != FIRST:
            write_component(component, source=source, target=target, reader=reader)
            content = yaml.safe_load(text)
            content["spec"]["pubsubname"] += f"-{reader}"
            text = yaml.safe_dump(content, sort_keys=False)
        (target / path.name).write_text(text)


def write_old(component: Component, *, source: Path, target: Path) -> None:
    """Write component and subscriptions once more, under names with ``-old``: only to read from.

    Raises:
        UsageError: see `write_component`.
    """
    with TemporaryDirectory() as folder:
        write_messages(component, source=source, target=Path(folder))
        for path in Path(folder).glob("*.yaml"):
            content = yaml.safe_load(path.read_text())
            content["metadata"]["name"] += OLD
            if content["kind"] == "Subscription":
                content["spec"]["pubsubname"] += OLD
            (target / f"old-{path.name}").write_text(yaml.safe_dump(content, sort_keys=False))


def components_beside(state: Component, kinds: Iterable[str]) -> list[Component]:
    """What an engine wants beside its state store, such as memory: files of that name, same place.

    ``state-redis.yaml`` and ``memory`` make ``memory-redis.yaml``; a whole name is a file that has
    nothing to do with the store.
    """
    _, _, store = state.file.partition("-")
    return [
        Component(file=kind, metadata={})
        if kind.endswith(".yaml")
        else replace(state, file=f"{kind}-{store}")
        for kind in kinds
    ]
