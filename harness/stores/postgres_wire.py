"""As much of PostgreSQL's protocol as a store needs: is it up, and one value of one statement.

A driver would be a dependency of every installation; this is for the store's own questions alone.

Source: PostgreSQL, frontend/backend protocol, version 3.0: start-up and simple query.
"""

import asyncio
import struct
from urllib.parse import unquote, urlsplit

_VERSION = 3 << 16
_DEADLINE_S = 10.0


class PasswordWanted(Exception):  # noqa: N818 - what the server says; no failure of it.
    """The server answers, and lets nobody in without a password, which is not spoken here."""


async def first_value(url: str, statement: str) -> str:
    """The first value that a statement gives, as text; empty when it gives none.

    Raises:
        PasswordWanted: see there.
        OSError: nobody listens, or the server refuses, as it does while it starts.
    """
    parts = urlsplit(url)
    async with asyncio.timeout(_DEADLINE_S):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 5432)
        try:
            words = ("user", unquote(parts.username or ""), "database", parts.path.strip("/"), "")
            text = b"".join(word.encode() + b"\0" for word in words)
            writer.write(struct.pack("!ii", len(text) + 8, _VERSION) + text)
            await _until_ready(reader)
            asked = statement.encode() + b"\0"
            writer.write(b"Q" + struct.pack("!i", len(asked) + 4) + asked)
            return await _until_ready(reader)
        finally:
            writer.close()


async def _until_ready(reader: asyncio.StreamReader) -> str:
    """Read messages until the server waits for us; the first value among them."""
    value = ""
    while True:
        try:
            kind, size = struct.unpack("!ci", await reader.readexactly(5))
            body = await reader.readexactly(size - 4)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the server hung up") from error
        if kind == b"E":
            raise ConnectionError(body.replace(b"\0", b" ").decode(errors="replace"))
        if kind == b"R" and body != struct.pack("!i", 0):
            raise PasswordWanted
        if kind == b"D" and not value:
            (length,) = struct.unpack_from("!i", body, 2)
            value = body[6 : 6 + length].decode() if length > 0 else ""
        if kind == b"Z":
            return value
