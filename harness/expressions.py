"""Comparisons in text, such as ``resume_p99 < 20s``: parsed, checked for units, computed; no eval.

A comparison has a sum on either side, of numbers with units, names, ``+ - * /`` and parentheses. A
duration is never compared with a count: units are checked before anything runs. Pure.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.errors import UsageError

LENGTH_MAX, DEPTH_MAX = 200, 16
Dimension = tuple[int, int]
"""Powers of seconds and of bytes."""
COUNT: Dimension = (0, 0)
SECONDS: Dimension = (1, 0)
PER_SECOND: Dimension = (-1, 0)
BYTES: Dimension = (0, 1)
WORDS: dict[Dimension, str] = {
    COUNT: "a plain number",
    SECONDS: "a duration, such as 20s or 300ms",
    PER_SECOND: "a rate, such as 8/s",
    BYTES: "a size, such as 64kB",
}
UNITS: dict[str, tuple[float, Dimension]] = {
    "": (1.0, COUNT),
    "%": (0.01, COUNT),
    "ms": (1e-3, SECONDS),
    "s": (1.0, SECONDS),
    "min": (60.0, SECONDS),
    "h": (3600.0, SECONDS),
    "/s": (1.0, PER_SECOND),
    "/min": (1 / 60, PER_SECOND),
    "B": (1.0, BYTES),
    "kB": (1e3, BYTES),
    "MB": (1e6, BYTES),
    "GB": (1e9, BYTES),
}
COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)(?P<unit>/min\b|/s\b|%|[A-Za-z]+\b)?"
    r"|(?P<name>[a-z][a-z0-9_]*)|(?P<sign><=|>=|==|!=|[<>()+*/-]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A number, a name, or two terms and a sign."""

    dimension: Dimension
    value: float = 0.0
    name: str = ""
    sign: str = ""
    parts: tuple["Term", ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All names in it."""
        own = {self.name} if self.name else set()
        return frozenset(own.union(*(part.names for part in self.parts)))

    def of(self, figures: Mapping[str, float]) -> float:
        """The value; a division by zero is infinite, or not a number for 0/0."""
        if self.name:
            return figures[self.name]
        if not self.sign:
            return self.value
        left, right = (part.of(figures) for part in self.parts)
        if self.sign == "/":
            return left / right if right else math.copysign(math.inf, left) if left else math.nan
        return {"+": left + right, "-": left - right, "*": left * right}[self.sign]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sums and a sign between them."""

    text: str
    left: Term
    sign: str
    right: Term

    @property
    def names(self) -> frozenset[str]:
        """All names in it."""
        return self.left.names | self.right.names

    def holds(self, figures: Mapping[str, float]) -> bool:
        """Whether it is true of these figures; they must have every name. Not a number is false."""
        return COMPARED[self.sign](self.left.of(figures), self.right.of(figures))


def parse(text: str, names: Mapping[str, Dimension]) -> Comparison:
    """Parse a comparison over ``names``.

    Raises:
        UsageError: what is wrong, where, and what was expected.
    """
    if len(text) > LENGTH_MAX:
        raise UsageError(f"{text[:20]!r}...: longer than {LENGTH_MAX} signs")
    return _Parser(text=text, names=names).comparison()


class _Parser:
    """Recursive descent, one token ahead."""

    def __init__(self, *, text: str, names: Mapping[str, Dimension]) -> None:
        self._text = text
        self._names = names
        self._tokens = self._cut()
        self._place = 0
        self._depth = 0

    def comparison(self) -> Comparison:
        left = self._sum()
        sign = self._take(tuple(COMPARED))
        if not sign:
            raise self._wrong("expected one of " + " ".join(COMPARED))
        right = self._sum()
        if self._place < len(self._tokens):
            raise self._wrong("expected the end")
        if left.dimension != right.dimension:
            raise UsageError(
                f"{self._text!r}: {_word(left)} on the left of {sign}, {_word(right)} on the right"
            )
        return Comparison(text=self._text.strip(), left=left, sign=sign, right=right)

    def _sum(self) -> Term:
        left = self._product()
        while sign := self._take(("+", "-")):
            right = self._product()
            if left.dimension != right.dimension:
                raise UsageError(f"{self._text!r}: {_word(left)} {sign} {_word(right)}")
            left = Term(dimension=left.dimension, sign=sign, parts=(left, right))
        return left

    def _product(self) -> Term:
        left = self._atom()
        while sign := self._take(("*", "/")):
            right = self._atom()
            turn = 1 if sign == "*" else -1
            powers = zip(left.dimension, right.dimension, strict=True)
            seconds, size = (own + turn * other for own, other in powers)
            left = Term(dimension=(seconds, size), sign=sign, parts=(left, right))
        return left

    def _atom(self) -> Term:
        if self._take(("(",)):
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise self._wrong(f"more than {DEPTH_MAX} parentheses in each other")
            inner = self._sum()
            if not self._take((")",)):
                raise self._wrong("expected )")
            self._depth -= 1
            return inner
        found = self._tokens[self._place] if self._place < len(self._tokens) else None
        if found is None or found["sign"]:
            raise self._wrong("expected a number or a name")
        self._place += 1
        if found["number"]:
            unit = found["unit"] or ""
            if unit not in UNITS:
                known = " ".join(name for name in UNITS if name)
                raise UsageError(f"{self._text!r}: unknown unit {unit!r}; known: {known}")
            factor, dimension = UNITS[unit]
            return Term(dimension=dimension, value=float(found["number"]) * factor)
        name = found["name"]
        if name not in self._names:
            raise UsageError(f"{self._text!r}: unknown name {name!r}; see `onceproof list`")
        return Term(dimension=self._names[name], name=name)

    def _take(self, signs: tuple[str, ...]) -> str:
        if self._place < len(self._tokens) and self._tokens[self._place]["sign"] in signs:
            self._place += 1
            return self._tokens[self._place - 1]["sign"]
        return ""

    def _wrong(self, expected: str) -> UsageError:
        rest = self._tokens[self._place :]
        found = rest[0][0].strip() if rest else "the end"
        return UsageError(f"{self._text!r}: {expected}, found {found}")

    def _cut(self) -> list[re.Match[str]]:
        tokens, place = [], 0
        text = self._text.rstrip()
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise UsageError(f"{self._text!r}: {text[place:].strip()[:12]!r} is not understood")
            tokens.append(found)
            place = found.end()
        return tokens


def _word(term: Term) -> str:
    return WORDS.get(term.dimension, "a mixture of units")
