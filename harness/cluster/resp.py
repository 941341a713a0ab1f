"""Redis's own protocol: a few words need no client library. Called by stores and brokers.

Source: Redis serialization protocol, version 2.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

Answer: TypeAlias = "int | bytes | list[Answer] | None"


async def ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    commands: Sequence[tuple[bytes, ...]],
) -> list[Answer]:
    """Send commands at once, read their answers in order.

    Raises:
        OSError, EOFError: it went away.
        ValueError: it answered with an error, or not in its protocol.
    """
    for words in commands:
        writer.write(b"*%d\r\n" % len(words))
        for word in words:
            writer.write(b"$%d\r\n%s\r\n" % (len(word), word))
    await writer.drain()
    return [await _answer(reader) for _ in commands]


async def _answer(reader: asyncio.StreamReader) -> Answer:
    """One answer."""
    line = (await reader.readuntil(b"\r\n"))[:-2]
    kind, rest = line[:1], line[1:]
    if kind == b":":
        return int(rest)
    if kind == b"+":
        return rest
    if kind == b"$":
        length = int(rest)
        return None if length < 0 else (await reader.readexactly(length + 2))[:-2]
    if kind == b"*":
        return [await _answer(reader) for _ in range(int(rest))]
    raise ValueError(f"redis said {line[:200]!r}")
