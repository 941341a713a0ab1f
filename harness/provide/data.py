"""Where the files that are not Python lie: in a checkout beside the package, installed inside it.

Called by the runtime's provider and by whoever reads components; it never writes there.
"""

from pathlib import Path

from harness.errors import HarnessError

PACKAGE = Path(__file__).resolve().parent.parent


def runtime_sources() -> Path:
    """The folder of the Go module that builds onceproof-dapr.

    Raises:
        HarnessError: neither the checkout nor the installed package has it.
    """
    return module_sources("runtime")


def module_sources(name: str) -> Path:
    """The folder of a Go module of ours, `runtime` or `kubernetes`.

    Raises:
        HarnessError: neither the checkout nor the installed package has it.
    """
    return _folder(name, landmark="go.mod")


def components_folder() -> Path:
    """The folder of complete, commented component files.

    Raises:
        HarnessError: neither the checkout nor the installed package has it.
    """
    return _folder("components", landmark="")


def wheel_pins(name: str) -> Path:
    """The hash-pinned requirements of one wheel, such as `go` or `redis`."""
    return PACKAGE / "provide" / f"requirements-{name}.txt"


def _folder(name: str, *, landmark: str) -> Path:
    candidates = (PACKAGE.parent / name, PACKAGE / "_data" / name)
    for folder in candidates:
        if (folder / landmark).exists():
            return folder
    tried = " and ".join(str(folder) for folder in candidates)
    raise HarnessError(
        f"the folder {name!r} is in neither {tried}; reinstall onceproof, or run it in a checkout"
    )
