"""Component files: read from components/, connection metadata overridden, written into the run."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import yaml

from harness.errors import UsageError
from harness.protocols import Component


def write_component(component: Component, *, source: Path, target: Path) -> Path:
    """Write the effective file of ``component`` into the folder ``target``; returns its path.

    Raises:
        UsageError: the file is missing, does not parse, or lacks an overridden entry.
    """
    path = source / component.file
    try:
        content = yaml.safe_load(path.read_text())
        entries = {entry["name"]: entry for entry in content["spec"]["metadata"]}
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected a Dapr component file") from error
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: not a Dapr component ({error}); expected spec.metadata"
        ) from error
    missing = sorted(set(component.metadata) - set(entries))
    if missing:
        raise UsageError(f"{path}: spec.metadata lacks {', '.join(missing)}; add it with a default")
    for name, value in component.metadata.items():
        entries[name]["value"] = value
    target.mkdir(parents=True, exist_ok=True)
    effective = target / component.file
    effective.write_text(yaml.safe_dump(content, sort_keys=False))
    return effective


def components_beside(state: Component, kinds: Iterable[str]) -> list[Component]:
    """What an engine wants beside its state store, such as memory: files of that name, same place.

    ``state-redis.yaml`` and ``memory`` make ``memory-redis.yaml``.
    """
    _, _, store = state.file.partition("-")
    return [replace(state, file=f"{kind}-{store}") for kind in kinds]
