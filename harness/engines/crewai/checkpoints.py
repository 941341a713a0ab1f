"""Checkpoints of a flow: a folder an agent, a JSON file after each method.

CrewAI writes them in threads of its event bus, not atomically and not before the next method
starts: SIGKILL leaves files cut short. Its documentation tells users to restore from a file; that
the newest may be torn is for them to find out. Here the newest file that can be restored is taken.

`SqliteProvider` is no way out on this system's Python: it needs the function jsonb of SQLite 3.45,
and without it every checkpoint fails, with a warning in the log alone.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from crewai.state import CheckpointConfig

# durable: flow-checkpoint
EVENTS = ["method_execution_finished"]
"""The finest that a flow has: an event of the LLM or of a tool is no flow's, and saves nothing."""


# durable: flow-checkpoint
class Checkpoints:
    """All checkpoints of a slot."""

    def __init__(self, folder: Path) -> None:
        """``folder`` outlives the process."""
        self._folder = folder

    def flow(self, kind: Any, agent: str) -> tuple[Any, bool]:
        """The agent's flow of the class ``kind``, and whether it was restored or is new."""
        config, files, torn = self.config(agent), self.files(agent), 0
        for file in reversed(files):
            try:
                flow = kind.from_checkpoint(CheckpointConfig(restore_from=file))
            except ValueError:  # Pydantic's and JSON's: a file cut short.
                torn += 1
                continue
            _tell_torn(agent, torn, len(files))
            flow.checkpoint = config
            return flow, True
        _tell_torn(agent, torn, len(files))
        return kind(checkpoint=config), False

    def config(self, agent: str) -> CheckpointConfig:
        """Where and when the agent's flow is written down."""
        return CheckpointConfig(location=str(self._place(agent)), on_events=EVENTS)

    def files(self, agent: str) -> list[Path]:
        """What was written of an agent, the oldest first."""
        files = self._place(agent).glob("**/*.json")
        return sorted(files, key=lambda file: file.stat().st_mtime_ns)

    def _place(self, agent: str) -> Path:
        return self._folder / _folder_name(agent)


def kept_in(files: list[Path]) -> list[tuple[int, dict[str, str]]]:
    """Of each flow in each file, nanoseconds since 1970 and answers.

    The date is the file's: its name has no more than seconds, of when it was begun.
    """
    found = []
    for file in files:
        try:
            flows = json.loads(file.read_text())["entities"]
        except ValueError:  # Cut short.
            continue
        states = (flow.get("checkpoint_state") or {} for flow in flows)
        found += [(file.stat().st_mtime_ns, state.get("answers", {})) for state in states]
    return found


# durable: flow-checkpoint
def _tell_torn(agent: str, torn: int, count: int) -> None:
    if torn:
        sys.stdout.write(f"agent {agent}: {torn} of {count} checkpoints torn\n")
        sys.stdout.flush()


# durable: flow-checkpoint
def _folder_name(agent: str) -> str:
    """A name for any agent id: what it may hold is more than a file name may."""
    return hashlib.sha256(agent.encode()).hexdigest()[:24]
