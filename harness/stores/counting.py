"""What a Redis did and holds, asked over its own protocol.

`operations` counts every command but those of this module and of health checks, `writes` those that
the server itself calls so, within scripts, too; `bytes` is the sum of MEMORY USAGE over all keys,
which depends on what is stored, not on when; `written_bytes` is the append-only file.
"""

import asyncio

from harness.cluster.resp import Answer, ask

KEYS_MAX = 200_000
BATCH = 500
OURS = ("info", "ping", "scan", "memory|usage", "dbsize", "hello", "client|setinfo", "command")
"""Commands that are nobody's work."""


async def figures_at(host: str, port: int) -> dict[str, float]:
    """Ask a Redis; ``bytes`` is absent when there are more keys than can be asked in seconds, and
    ``written_bytes`` without an append-only file, or when that was rewritten since its begin.

    Raises:
        OSError: it is not there, or went away.
        ValueError: it answered with an error, or not in its protocol.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 24)
    try:
        words = ((b"INFO", b"commandstats"), (b"INFO", b"persistence"), (b"COMMAND",), (b"DBSIZE",))
        told, kept, known, keys_count = await ask(reader, writer, words)
        if not (isinstance(told, bytes) and isinstance(kept, bytes) and isinstance(known, list)):
            raise ValueError(f"expected INFO and COMMAND, got {told!r}, {kept!r}, {known!r}")
        if not isinstance(keys_count, int):
            raise ValueError(f"expected a number of keys, got {keys_count!r}")
        calls = calls_in(told.decode())
        writing = _writing(known)
        found = {
            "operations": float(sum(calls[name] for name in calls if name not in OURS)),
            "writes": float(sum(calls[name] for name in calls if name in writing)),
        }
        lines = dict(line.split(":", 1) for line in kept.decode().splitlines() if ":" in line)
        if "aof_current_size" in lines and lines.get("aof_base_size") == "0":
            found["written_bytes"] = float(lines["aof_current_size"])
        if keys_count <= KEYS_MAX:
            found["bytes"] = float(await _size(reader, writer))
        return found
    finally:
        writer.close()


def calls_in(commandstats: str) -> dict[str, int]:
    """The calls of each command in INFO's section."""
    calls = {}
    for line in commandstats.splitlines():
        name, _, fields = line.partition(":")
        if name.startswith("cmdstat_"):
            calls[name.removeprefix("cmdstat_")] = int(
                fields.partition("calls=")[2].partition(",")[0]
            )
    return calls


def _writing(commands: list[Answer]) -> set[str]:
    """Names of the commands that the server says write."""
    return {
        one[0].decode()
        for one in commands
        if isinstance(one, list) and isinstance(one[0], bytes) and isinstance(one[2], list)
        if b"write" in one[2]
    }


async def _size(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    cursor, total = b"0", 0
    while True:
        scan = (b"SCAN", cursor, b"COUNT", str(BATCH).encode())
        (page,) = await ask(reader, writer, [scan])
        following, keys = page if isinstance(page, list) else [b"0", []]
        named = [key for key in keys if isinstance(key, bytes)] if isinstance(keys, list) else []
        asked = [(b"MEMORY", b"USAGE", key, b"SAMPLES", b"0") for key in named]
        sizes = await ask(reader, writer, asked)
        total += sum(size for size in sizes if isinstance(size, int))
        cursor = following if isinstance(following, bytes) else b"0"
        if cursor == b"0":
            return total
