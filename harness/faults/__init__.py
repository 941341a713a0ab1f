"""What strikes, in one registry. Each acts through Stage only."""

from harness.faults.drops import DropAnswer
from harness.faults.kills import KillPod, KillSidecar, KillWorker
from harness.protocols import Fault

FAULTS: dict[str, Fault] = {
    "kill_pod": KillPod(),
    "kill_worker": KillWorker(),
    "kill_sidecar": KillSidecar(),
    "drop_answer": DropAnswer(),
}
