"""Receipts: what an answer carries so that its use, and which attempt was used, shows downstream.

A receipt's *value* is a pure function of seed, step and what the step built on: the oracle can fold
it from the plan alone. Its *mark* names the attempt, so that equal answers of two attempts are told
apart. Pure; the witness, the oracle and the checkers share this one definition.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

UNMARKED = -1
"""The mark of an answer that carries none (stable answers)."""

_TAG_BITS_BELOW = 32
_HASH_BYTES = 4
_TAG_BYTES = 4
_IN_TEXT = re.compile(r"<<([0-9a-f]{16})(?:\.([0-9a-f]{1,15}))?>>")
_CALL_ID = re.compile(r"call_([0-9a-f]{16})x([0-9a-f]{0,15})x([0-9]{1,6})")


class Receipt(NamedTuple):
    """A receipt as it stands in a text or an id."""

    value: int
    """64 unsigned bits: 32 of the step's tag, 32 of the hash."""
    mark: int
    """Sequence number of the begin record of the attempt that gave it; UNMARKED for none."""


def receipt(seed: int, agent: str, path: str, turn: int, predecessors: Sequence[int]) -> int:
    """The receipt value of one turn, given the values it was built on, in declared order."""
    count = len(predecessors)
    named = f"{seed}\0{agent}\0{path}\0{turn}\0".encode()
    digest = blake2b(named + struct.pack(f">{count}Q", *predecessors), digest_size=_HASH_BYTES)
    return tag(agent, path) << _TAG_BITS_BELOW | int.from_bytes(digest.digest(), "big")


@lru_cache(maxsize=65536)
def tag(agent: str, path: str) -> int:
    """The 32 bits by which a step's receipts are known in a text.

    Two paths share a tag once in 4.3 billion pairs: with 20 paths an agent, tool
    sub-steps included, once in 22 million agents.
    """
    digest = blake2b(f"{agent}\0{path}".encode(), digest_size=_TAG_BYTES)
    return int.from_bytes(digest.digest(), "big")


def tag_of(value: int) -> int:
    """The tag inside a receipt value."""
    return value >> _TAG_BITS_BELOW


def render(value: int, mark: int) -> str:
    """The form for texts: `<<value.mark>>`, or `<<value>>` without a mark."""
    return f"<<{value:016x}.{mark:x}>>" if mark >= 0 else f"<<{value:016x}>>"


def call_id(value: int, mark: int, index: int) -> str:
    """The form for the id of a tool call; `index` counts the calls of one answer from 0."""
    shown = f"{mark:x}" if mark >= 0 else ""
    return f"call_{value:016x}x{shown}x{index}"


def completion_id(value: int, mark: int) -> str:
    """The form for the id of an answer."""
    return f"chatcmpl-{value:016x}x{mark:x}" if mark >= 0 else f"chatcmpl-{value:016x}"


def find(text: str) -> list[Receipt]:
    """The receipts in a text, in order, repeats included."""
    if "<<" not in text:
        return []
    return [
        Receipt(int(value, 16), int(mark, 16) if mark else UNMARKED)
        for value, mark in _IN_TEXT.findall(text)
    ]


def parse_call_id(identifier: str) -> tuple[Receipt, int] | None:
    """The receipt and index in the id of a tool call; None when it is not one of ours."""
    match = _CALL_ID.fullmatch(identifier)
    if match is None:
        return None
    value, mark, index = match.groups()
    return Receipt(int(value, 16), int(mark, 16) if mark else UNMARKED), int(index)


def all_in(text: str) -> list[Receipt]:
    """The receipts in a text of any form, those in ids of tool calls included; each once."""
    found = [*_IN_TEXT.findall(text), *(match[:2] for match in _CALL_ID.findall(text))]
    return list(
        dict.fromkeys(
            Receipt(int(value, 16), int(mark, 16) if mark else UNMARKED) for value, mark in found
        )
    )


def choice(value: int, count: int) -> int:
    """Which of so many branches an answer with this receipt value takes, from 0.

    The mark has no part in it: every attempt takes the same branch.
    """
    return value % count


def task_path(path: str, number: int) -> str:
    """The path of a sub-task that the answer of a plan step delegates, counted from 0."""
    return f"{path}.b{number}"


def tool_path(path: str, turn: int, call: int) -> str:
    """The path of the sub-step that is one tool call of one turn."""
    return f"{path}.t{turn}.c{call}"
