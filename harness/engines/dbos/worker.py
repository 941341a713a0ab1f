"""The worker of a pod: `python -m harness.engines.dbos.worker`.

Recovery is DBOS's own: at its launch it looks for unfinished workflows of its executor id and its
application version, and runs them again. The supervisor only starts the process.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from dbos import DBOS, SetWorkflowID, error
from sqlalchemy.exc import SQLAlchemyError

from harness.clock import NS_PER_MS
from harness.commits import Commit
from harness.engines.contract import AgentView, Surroundings, about_of, main
from harness.engines.dbos.adapter import Dbos
from harness.engines.dbos.agent import agent as agent_workflow
from harness.errors import EngineError, UsageError
from harness.scenario import Program
from mock_llm import receipts

# durable: sqlite
FILE = "dbos.sqlite"
# durable
VERSION = "1"
"""Of the application. By default it is a hash of the workflows' source; what was started under one
version is not recovered under another."""
ENDED = {
    "SUCCESS": "completed",
    "ERROR": "failed",
    "CANCELLED": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}
WORKFLOWS_MAX = 100
"""Asked for the history of one agent: its own and its descendants."""
RUNNING = AgentView(status="running", output="")


class DbosWorker:
    """See Worker."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Choose the database of the variant.

        Raises:
            UsageError: no such variant, or no address of PostgreSQL.
        """
        self.about = about_of(Dbos().spec(surroundings.variant), "dbos")
        # durable
        self._executor = surroundings.pod
        # durable: sqlite
        self._url = f"sqlite:///{surroundings.state_dir / FILE}"
        # durable: postgres
        if surroundings.variant == "postgres":
            self._url = surroundings.state_url
            if not self._url:
                raise UsageError("ONCEPROOF_STATE_URL is not set; expected postgresql://...")

    async def open(self) -> None:
        """Launch DBOS in this loop, which then runs all workflows, recovered ones as well."""
        # durable
        DBOS(
            config={
                "name": "onceproof",
                "application_version": VERSION,
                "executor_id": self._executor,
                "system_database_url": self._url,
                **_tracing(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")),
                "log_level": "ERROR",
            }
        )
        # durable
        DBOS.launch()

    async def start(self, agent: str, program: Program) -> None:
        """Start the workflow under the agent's id, unless it exists in whatever state."""
        # durable
        with _database_errors(), SetWorkflowID(agent):
            await DBOS.start_workflow_async(agent_workflow, msgspec.to_builtins(program))

    async def view(self, agent: str) -> AgentView | None:
        """Ask the engine."""
        with _database_errors():
            found = await DBOS.get_workflow_status_async(agent)
        if found is None:
            return None
        status = ENDED.get(found.status)
        if status is None:
            return RUNNING
        output = found.output if status == "completed" else f"{found.status}: {found.error!r}"
        return AgentView(status=status, output=output)

    async def receive(self, agent: str, name: str, payload: str) -> bool:
        """Send the message; DBOS keeps one that comes before the workflow waits for it."""
        try:
            with _database_errors():
                await DBOS.send_async(agent, payload, name, idempotency_key=name)
        except error.DBOSNonExistentWorkflowError:
            return False
        return True

    async def history(self, agent: str) -> list[Commit] | None:
        """The outputs of the workflow's steps and of its child workflows', dated in milliseconds.

        A step is dated when it has ended, just before its output is written.
        """
        found: list[Commit] = []
        asked = [agent]
        with _database_errors():
            if await DBOS.get_workflow_status_async(agent) is None:
                return None
            for workflow in asked:  # It grows on the way.
                for step in await DBOS.list_workflow_steps_async(workflow):
                    child = step["child_workflow_id"]
                    if child and child not in asked and len(asked) < WORKFLOWS_MAX:
                        asked.append(child)
                    found += _commits(str(step["output"]), step["completed_at_epoch_ms"])
        return found

    async def close(self) -> None:
        """Leave everything as it is: to DBOS an end is an end, and `destroy` can take seconds."""


def _commits(output: str, ended_ms: int | None) -> list[Commit]:
    """The results in a step's output; none of a step without a date."""
    if ended_ms is None:
        return []
    since_ns = ended_ms * NS_PER_MS
    return [
        Commit(
            receipt=receipts.render(*shown), since_ns=since_ns, until_ns=since_ns + NS_PER_MS - 1
        )
        for shown in receipts.all_in(output)
    ]


def _tracing(endpoint: str) -> dict[str, Any]:
    """DBOS's own spans, to an OTLP endpoint or to nobody.

    Source: docs.dbos.dev/python/tutorials/logging-and-tracing
    """
    if not endpoint:
        return {"enable_otlp": False}
    return {"enable_otlp": True, "otlp_traces_endpoints": [f"{endpoint}/v1/traces"]}


@contextmanager
def _database_errors() -> Iterator[None]:
    """A failed call to the database leaves open what happened."""
    try:
        yield
    except error.DBOSNonExistentWorkflowError:
        raise
    except (error.DBOSException, SQLAlchemyError) as failure:
        raise EngineError(repr(failure)) from failure


if __name__ == "__main__":
    main(DbosWorker)
    # DBOS's threads would hold the process.
    sys.stderr.flush()
    os._exit(0)
