"""Frames: how bytes stand in a segment of the ledger, and how whole ones are told from damage.

A frame is length (u32 little endian), CRC-32 of the payload (u32), payload. Pure on buffers.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

MAGIC = b"OP1L"
"""The first bytes of a segment."""

PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
"""A longer frame is damage: a request is 32 MiB at most, and its record far smaller."""

SEARCHED_BYTES_MAX = 16 * 1024 * 1024
"""So far behind damage the next whole frame is looked for."""

HASHED_BYTES_MAX = 256 * 1024 * 1024
"""So much is hashed in one search: bytes can be laid out so that each looks like a frame's head."""

_HEAD = struct.Struct("<II")

Bytes = bytes | mmap.mmap


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A whole frame."""

    offset: int
    """Where it starts in the segment, in bytes."""
    payload: bytes
    """What it carries; its CRC is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Bytes that are no frame."""

    offset: int
    """Where they start."""
    text: str
    """What is wrong; empty for a torn tail, where the file ends inside the frame."""


def encode(payload: bytes) -> bytes:
    """The frame around a payload."""
    return _HEAD.pack(len(payload), crc32(payload)) + payload


def scan(data: Bytes) -> Iterator[Frame | Damage]:
    """The frames of a segment in order, damage in its place; goes on behind damage where it can.

    A torn tail is only what a killed writer leaves: a frame cut off by the end of the file. If a
    whole frame follows, or the CRC fits what is there, then the length was changed: that is damage.
    """
    size = len(data)
    if size < len(MAGIC) or data[: len(MAGIC)] != MAGIC:
        is_cut = MAGIC.startswith(data[:size]) and size < len(MAGIC)
        yield Damage(offset=0, text="" if is_cut else "no ledger: the magic OP1L is missing")
        return
    offset = len(MAGIC)
    while offset < size:
        payload = _payload_at(data, offset, size)
        if payload is not None:
            yield Frame(offset=offset, payload=payload)
            offset += _HEAD.size + len(payload)
            continue
        following, is_searched = _next_frame(data, offset + 1, size)
        text = _what_is_wrong(data, offset, size, following)
        if not is_searched:
            text = f"{size - offset} bytes are no whole frame, and not all of them were searched"
        yield Damage(offset=offset, text=text)
        offset = following


def _payload_at(data: Bytes, offset: int, size: int) -> bytes | None:
    start = offset + _HEAD.size
    if start > size:
        return None
    length, check = _HEAD.unpack_from(data, offset)
    if not 0 < length <= PAYLOAD_BYTES_MAX or start + length > size:
        return None
    payload = bytes(data[start : start + length])
    return payload if crc32(payload) == check else None


def _next_frame(data: Bytes, offset: int, size: int) -> tuple[int, bool]:
    """Where the next whole frame starts, the end if there is none; and whether all was searched."""
    hashed = 0
    for at in range(offset, min(size, offset + SEARCHED_BYTES_MAX)):
        if at + _HEAD.size <= size:
            length, _ = _HEAD.unpack_from(data, at)
            is_head = 0 < length <= PAYLOAD_BYTES_MAX and at + _HEAD.size + length <= size
            hashed += length if is_head else 0
            if hashed > HASHED_BYTES_MAX:
                return size, False
        if _payload_at(data, at, size) is not None:
            return at, True
    return size, offset + SEARCHED_BYTES_MAX >= size


def _what_is_wrong(data: Bytes, offset: int, size: int, following: int) -> str:
    """Why the bytes at `offset` are no frame; empty for a torn tail."""
    start = offset + _HEAD.size
    if following < size:
        return f"{following - offset} bytes are no whole frame, and whole frames follow"
    if start > size:
        return ""
    length, check = _HEAD.unpack_from(data, offset)
    if not 0 < length <= PAYLOAD_BYTES_MAX:
        return f"a frame of {length} bytes; 1 to {PAYLOAD_BYTES_MAX} are possible"
    if start + length <= size:
        return "the checksum of the last frame does not fit its payload"
    if crc32(data[start:size]) == check:
        return f"the last frame claims {length} bytes, and its checksum fits {size - start}"
    return ""
