"""The provider chain: try one way after the other, say why each was refused, stop at the first.

A provider is a name and a callable that returns the thing or raises Refused. What the caller named
himself (`--dapr-bin`, an address) raises UsageError instead: it is not passed over in silence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from harness.errors import MachineError, UsageError

Thing = TypeVar("Thing")
Report = Callable[[str], None]


class Refused(MachineError):  # noqa: N818 - the chain's word for "not this way", and no failure.
    """This provider cannot serve here; the message is the reason, and the chain goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider(Generic[Thing]):
    """One way to get a thing."""

    name: str
    """How reports call it."""
    get: Callable[[], Thing]
    """Returns the thing, or raises Refused with the reason."""


def named_in(
    environ: Mapping[str, str],
    variable: str,
    prove: Callable[[Path, str], Thing],
    *,
    expected: str,
) -> Thing | None:
    """What a variable of the environment names, proven; None when it is not set.

    ``prove`` gets the path and, as the thing's origin, the variable.

    Raises:
        UsageError: what it names was refused; ``expected`` says what it should name.
    """
    named = environ.get(variable)
    if not named:
        return None
    try:
        return prove(Path(named), variable)
    except Refused as refusal:
        raise UsageError(f"{variable}={named}: {refusal}; expected {expected}") from refusal


def first_that_works(
    wanted: str, providers: Sequence[Provider[Thing]], report: Report, *, next_move: str
) -> Thing:
    """The thing of the first provider that has it; each one tried is reported.

    Raises:
        MachineError: none has it; the message lists what each said, and the next move.
    """
    refusals: list[str] = []
    for provider in providers:
        try:
            thing = provider.get()
        except Refused as refusal:
            refusals.append(f"  {provider.name}: {refusal}")
            report(f"{wanted}: {provider.name}: {refusal}")
            continue
        report(f"{wanted}: {provider.name}: taken")
        return thing
    said = "\n".join(refusals) or "  (no provider fits this machine)"
    raise MachineError(f"no way to get {wanted}:\n{said}\nNext: {next_move}")
