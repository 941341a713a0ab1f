"""A stranger's worker to an `EngineSpec`: what its ``GET /about`` answers, read strictly; pure.

It is in no registry, since only the caller knows its command: ``onceproof run --worker COMMAND``.
"""

import re
from dataclasses import dataclass, field, fields

import msgspec

from harness.errors import UsageError
from harness.protocols import EngineSpec

ENGINE = "external"
"""Name on the command line, in the runs' folders and on the pages."""
KINDS = ("say", "tools", "parallel", "route", "plan", "judge", "child", "wait", "receive")
"""Every step kind that version 1 of the worker contract has."""
RECOVERIES, INTAKES = ("native", "assisted", "none"), ("durable", "volatile")
DAPR_STORES = ("redis", "sqlite", "in-memory")
"""What a worker with a sidecar can run on."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_SHOWN_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a worker says of itself; the defaults promise least."""

    engine: str = "worker"
    variant: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    recovery: str = "none"
    intake: str = "volatile"
    any_pod_answers: bool = False
    kinds: tuple[str, ...] = ("say", "tools", "parallel")


NEEDED = tuple(one.name for one in fields(Said) if one.name not in ("variant", "versions"))
"""Fields that an answer of ``GET /about`` must have."""


def said_of(body: bytes) -> Said:
    """Read the body of ``GET /about``; fields of later versions are ignored.

    Raises:
        UsageError: no JSON object, a field that is missing, or one of another type.
    """
    shown = " ".join(body[:_SHOWN_MAX].decode(errors="replace").split()) or "nothing"
    try:
        found = msgspec.json.decode(body)
        if not isinstance(found, dict):
            raise UsageError(f"GET /about answered {shown}; expected a JSON object")
        lacking = [name for name in NEEDED if name not in found]
        if lacking:
            raise UsageError(
                f"GET /about answered {shown}; it lacks {', '.join(lacking)}; "
                f"expected {', '.join(NEEDED)}"
            )
        return msgspec.convert(found, Said)
    except msgspec.DecodeError as error:
        raise UsageError(f"GET /about answered {shown}; expected JSON: {error}") from error


def said_by_hand(settings: list[str]) -> Said:
    """From ``KEY=VALUE`` words, for a worker that cannot be asked before its run.

    Raises:
        UsageError: one message with every word that cannot be.
    """
    values: dict[str, object] = {}
    wrong = []
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in ("variant", *NEEDED):
            wrong.append(f"--about {setting}: expected KEY=VALUE with a key of {', '.join(NEEDED)}")
        elif name == "kinds":
            values[name] = [kind for kind in text.split(",") if kind]
        elif name == "any_pod_answers":
            values[name] = {"true": True, "false": False}.get(text)
            wrong += [] if values[name] is not None else [f"--about {setting}: say true or false"]
        else:
            values[name] = text
    if wrong:
        raise UsageError("; ".join(wrong))
    return msgspec.convert(values, Said)


def problems_of_said(said: Said) -> list[str]:
    """Everything that the harness cannot work with, one sentence each."""
    unknown = [kind for kind in said.kinds if kind not in KINDS]
    checks = [
        *(
            (
                _NAME.fullmatch(value) is not None,
                f"{name} is {value!r}, expected up to 40 letters, digits, - and _: it names a "
                "folder",
            )
            for name, value in (("engine", said.engine), ("variant", said.variant or "default"))
        ),
        (
            said.recovery in RECOVERIES,
            f"recovery is {said.recovery!r}, expected one of {', '.join(RECOVERIES)}",
        ),
        (
            said.intake in INTAKES,
            f"intake is {said.intake!r}, expected one of {', '.join(INTAKES)}",
        ),
        (bool(said.kinds), f"kinds is empty, expected some of {', '.join(KINDS)}"),
        (not unknown, f"kinds has {', '.join(unknown)}, expected some of {', '.join(KINDS)}"),
    ]
    return [text for is_fine, text in checks if not is_fine]


def column_of(said: Said) -> str:
    """The variant's place in a run's name: the worker's own name, then its variant."""
    return said.engine if said.variant in ("", "default") else f"{said.engine}-{said.variant}"


def spec_of_said(said: Said, command: tuple[str, ...], *, has_sidecar: bool) -> EngineSpec:
    """What the harness must know; it trusts the worker's word, and the run shows what it is worth.

    Raises:
        UsageError: with everything in ``said`` that cannot be.
    """
    problems = problems_of_said(said)
    if problems:
        raise UsageError(f"the worker says of itself: {'; '.join(problems)}")
    return EngineSpec(
        engine=said.engine,
        variant=said.variant,
        summary=f"a worker of yours, {said.engine}",
        recovery=said.recovery,
        intake=said.intake,
        any_pod_answers=said.any_pod_answers,
        kinds=said.kinds,
        worker=command,
        needs_dapr=has_sidecar,
        stores=DAPR_STORES if has_sidecar else ("none",),
        exports="as the worker does itself: OTEL_EXPORTER_OTLP_ENDPOINT tells it where to"
        + (", and the sidecar's" if has_sidecar else ""),
        lacks={kind: "its /about does not name it" for kind in KINDS if kind not in said.kinds},
    )
