"""What durability takes with an engine, as a record of results.json."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Lines; counted by `harness.runner.effort`."""

    code_lines: int
    """Of its adapter, there for durability and recovery alone."""
    config_lines: int
    """Of component files, without comments."""
