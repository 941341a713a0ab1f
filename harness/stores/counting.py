"""What a Redis did and holds, asked over its own protocol: three words need no client library.

`operations` counts every command but those of this module and of health checks; `bytes` is the sum
of MEMORY USAGE over all keys, which depends on what is stored, not on when.
"""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

KEYS_MAX = 200_000
BATCH = 500
OURS = ("info", "ping", "scan", "memory|usage", "dbsize", "hello", "client|setinfo")
"""Commands that are nobody's work."""
Answer: TypeAlias = "int | bytes | list[Answer] | None"


async def figures_at(host: str, port: int) -> dict[str, float]:
    """Ask a Redis; ``bytes`` is absent when there are more keys than can be asked in seconds.

    Raises:
        OSError: it is not there, or went away.
        ValueError: it answered with an error, or not in its protocol.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
    try:
        told, keys_count = await _ask(reader, writer, [(b"INFO", b"commandstats"), (b"DBSIZE",)])
        if not isinstance(told, bytes) or not isinstance(keys_count, int):
            raise ValueError(f"expected bytes and a number, got {told!r}, {keys_count!r}")
        found = {"operations": float(operations_in(told.decode()))}
        if keys_count <= KEYS_MAX:
            found["bytes"] = float(await _size(reader, writer))
        return found
    finally:
        writer.close()


def operations_in(commandstats: str) -> int:
    """Sum of the calls in INFO's section, without `OURS`."""
    total = 0
    for line in commandstats.splitlines():
        name, _, fields = line.partition(":")
        if name.startswith("cmdstat_") and name.removeprefix("cmdstat_") not in OURS:
            total += int(fields.partition("calls=")[2].partition(",")[0])
    return total


async def _size(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    cursor, total = b"0", 0
    while True:
        scan = (b"SCAN", cursor, b"COUNT", str(BATCH).encode())
        (page,) = await _ask(reader, writer, [scan])
        following, keys = page if isinstance(page, list) else [b"0", []]
        named = [key for key in keys if isinstance(key, bytes)] if isinstance(keys, list) else []
        asked = [(b"MEMORY", b"USAGE", key, b"SAMPLES", b"0") for key in named]
        sizes = await _ask(reader, writer, asked)
        total += sum(size for size in sizes if isinstance(size, int))
        cursor = following if isinstance(following, bytes) else b"0"
        if cursor == b"0":
            return total


async def _ask(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    commands: Sequence[tuple[bytes, ...]],
) -> list[Answer]:
    """Send commands at once, read their answers in order."""
    for words in commands:
        writer.write(b"*%d\r\n" % len(words))
        for word in words:
            writer.write(b"$%d\r\n%s\r\n" % (len(word), word))
    await writer.drain()
    return [await _answer(reader) for _ in commands]


async def _answer(reader: asyncio.StreamReader) -> Answer:
    """One answer of RESP2."""
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
