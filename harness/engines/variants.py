"""Which variants an engine has, for its adapter and its worker."""

from collections.abc import Mapping
from typing import TypeVar

from harness.errors import UsageError

Own = TypeVar("Own")


def chosen(variants: Mapping[str, Own], name: str, *, engine: str) -> Own:
    """What is known of the variant ``name``.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in variants:
        raise UsageError(f"unknown variant {name!r} of {engine}; known: {', '.join(variants)}")
    return variants[name]
