"""The few words of Kafka's protocol that are spoken here: who is there, how far, how far read.

Source: Kafka protocol guide: Metadata version 1, ListOffsets version 1, OffsetFetch version 1.
"""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

METADATA, LIST_OFFSETS, OFFSET_FETCH = 3, 2, 9
ALL = -1
"""In place of a number of topics."""
LATEST = -1
"""In place of a time: the offset that the next message will get."""
COORDINATING = frozenset({14, 15, 16})
"""Errors of a group's coordinator that is loading, not there yet, or moving: ask again."""
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What a broker says of itself and of topics."""

    brokers: int
    controller: int
    """Its id; -1 while there is none."""
    partitions: Mapping[str, tuple[int, ...]]
    """Of each topic that was told."""


class CoordinatorError(ValueError):
    """The group has no coordinator at this moment; the same question is answered later."""


class Fields:
    """Reads fields of an answer, in their order."""

    def __init__(self, answer: bytes) -> None:
        self._answer, self._at = answer, 4

    def number(self, form: str) -> int:
        """One number of a struct form."""
        (value,) = struct.unpack_from(f"!{form}", self._answer, self._at)
        self._at += struct.calcsize(f"!{form}")
        return int(value)

    def text(self) -> str:
        """A string; empty for null."""
        length = max(self.number("h"), 0)
        self._at += length
        return self._answer[self._at - length : self._at].decode()


async def cluster_of(connection: Connection, *, has_topics: bool) -> Cluster:
    """Who is there, with all topics or none: one that is asked for by name would be made."""
    count = ALL if has_topics else 0
    return cluster_in(await _asked(connection, METADATA, struct.pack("!i", count)))


def cluster_in(answer: Fields) -> Cluster:
    """What an answer to Metadata says."""
    brokers = answer.number("i")
    for _ in range(brokers):
        answer.number("i"), answer.text(), answer.number("i"), answer.text()
    controller = answer.number("i")
    partitions = {}
    for _ in range(answer.number("i")):
        error, name, _ = answer.number("h"), answer.text(), answer.number("b")
        found = []
        for _ in range(answer.number("i")):
            answer.number("h")
            found.append(answer.number("i"))
            answer.number("i")
            for _ in range(2):
                for _ in range(answer.number("i")):
                    answer.number("i")
        _check(error, name)
        partitions[name] = tuple(found)
    return Cluster(brokers=brokers, controller=controller, partitions=partitions)


async def ends_of(
    connection: Connection, partitions: Mapping[str, Sequence[int]]
) -> dict[tuple[str, int], int]:
    """Topic and partition -> the offset that its next message will get."""
    asked = [
        _text(name)
        + struct.pack("!i", len(numbers))
        + b"".join(struct.pack("!iq", number, LATEST) for number in numbers)
        for name, numbers in partitions.items()
    ]
    body = struct.pack("!ii", -1, len(asked)) + b"".join(asked)
    answer = await _asked(connection, LIST_OFFSETS, body)
    found = {}
    for _ in range(answer.number("i")):
        name = answer.text()
        for _ in range(answer.number("i")):
            number, error = answer.number("i"), answer.number("h")
            answer.number("q")
            found[name, number] = answer.number("q")
            _check(error, name)
    return found


async def committed_of(
    connection: Connection, group: str, partitions: Mapping[str, Sequence[int]]
) -> dict[tuple[str, int], int]:
    """Topic and partition -> the offset up to which the group has read; 0 where it never said.

    Raises:
        CoordinatorError: as said there.
    """
    asked = [
        _text(name) + struct.pack(f"!i{len(numbers)}i", len(numbers), *numbers)
        for name, numbers in partitions.items()
    ]
    body = _text(group) + struct.pack("!i", len(asked)) + b"".join(asked)
    answer = await _asked(connection, OFFSET_FETCH, body)
    found = {}
    for _ in range(answer.number("i")):
        name = answer.text()
        for _ in range(answer.number("i")):
            number, offset, _ = answer.number("i"), answer.number("q"), answer.text()
            found[name, number] = max(offset, 0)
            _check(answer.number("h"), name)
    return found


async def _asked(connection: Connection, key: int, body: bytes) -> Fields:
    """Send one request of version 1; the answer past its correlation id."""
    reader, writer = connection
    request = struct.pack("!hhi", key, 1, 1) + _text("onceproof") + body
    writer.write(struct.pack("!i", len(request)) + request)
    (size,) = struct.unpack("!i", await reader.readexactly(4))
    return Fields(await reader.readexactly(size))


def _check(error: int, topic: str) -> None:
    if error in COORDINATING:
        raise CoordinatorError(f"kafka answered error {error}: no coordinator for {topic} yet")
    if error:
        raise ValueError(f"kafka answered error {error} about {topic}")


def _text(text: str) -> bytes:
    return struct.pack("!h", len(text)) + text.encode()
