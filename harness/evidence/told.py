"""Message records to columns, packed as they come; see gather, whose names they share."""

from dataclasses import dataclass, field
from struct import Struct

import numpy as np

from harness.history import NONE, MessageEvent, Messages
from mock_llm.ledger import Message

_EVENTS = {member.name.lower(): member for member in MessageEvent}
_PUBLISHER = ("publishing", "acknowledged", "refused")
_ROW = Struct("<qqBiiiiiqii?")
_COLUMNS = np.dtype(
    [
        ("seq", "<i8"),
        ("ns", "<i8"),
        ("what", "u1"),
        ("message", "<i4"),
        ("agent", "<i4"),
        ("path", "<i4"),
        ("topic", "<i4"),
        ("key", "<i4"),
        ("number", "<i8"),
        ("broker", "<i4"),
        ("caller", "<i4"),
        ("is_poison", "?"),
    ]
)


def split(id: str) -> tuple[str, str]:
    """Agent and path of a message's id; an agent's name has no slash."""
    agent, _, path = id.partition("/")
    return agent, path


@dataclass(slots=True)
class Told:
    """What has been read of messages so far."""

    ids: dict[str, int] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=dict)
    brokers: dict[str, int] = field(default_factory=dict)
    in_force: str = ""
    """Where messages go that name no broker, by the harness's last note."""
    _rows: bytearray = field(default_factory=bytearray)

    def add(self, record: Message, *, agent: int, path: int, key: int, caller: int) -> None:
        """Take one record, its shared names as numbers.

        Raises:
            KeyError, struct.error: it does not fit the columns.
        """
        is_published = record.what in _PUBLISHER
        broker = record.broker or (self.in_force if is_published else "")
        self._rows += _ROW.pack(
            record.seq,
            record.t_ns,
            _EVENTS[record.what],
            self.ids.setdefault(record.id, len(self.ids)),
            agent,
            path,
            self.topics.setdefault(record.topic, len(self.topics)),
            key,
            record.number,
            self.brokers.setdefault(broker, len(self.brokers)) if broker else NONE,
            caller,
            record.is_poison,
        )

    def messages(self) -> tuple[Messages, list[int]]:
        """The columns in order, and the sequence numbers that were there more than once."""
        found = np.frombuffer(self._rows, _COLUMNS)
        found = found[np.argsort(found["seq"], kind="stable")]
        is_new = np.append(True, np.diff(found["seq"]) > 0)[: len(found)]
        rows = found[is_new]
        columns = Messages(
            seq=rows["seq"].copy(),
            t_ns=rows["ns"].copy(),
            what=rows["what"].copy(),
            message=rows["message"].copy(),
            agent=rows["agent"].copy(),
            path=rows["path"].copy(),
            topic=rows["topic"].copy(),
            key=rows["key"].copy(),
            number=rows["number"].copy(),
            broker=rows["broker"].copy(),
            caller=rows["caller"].copy(),
            is_poison=rows["is_poison"].copy(),
        )
        return columns, found["seq"][~is_new].tolist()
