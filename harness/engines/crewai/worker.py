"""The worker of a pod: `python -m harness.engines.crewai.worker`.

CrewAI reads its switches when it is imported, so they are set before: nothing may leave loopback.
"""

import logging
import os
import sys

os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    # Its own databases; by default in the home folder.
    "CREWAI_STORAGE_DIR": os.environ.get("ONCEPROOF_STATE_DIR", "") + "/crewai",
}

from crewai_core.printer import set_suppress_console_output

from harness.engines.contract import Surroundings, main
from harness.engines.crewai.adapter import ENGINE, VARIANTS
from harness.engines.crewai.flow_pod import FlowWorker
from harness.engines.crewai.pod import CrewAIWorker
from harness.engines.variants import chosen


def _worker(surroundings: Surroundings) -> CrewAIWorker:
    is_crew = chosen(VARIANTS, surroundings.variant, engine=ENGINE).is_crew
    return CrewAIWorker(surroundings) if is_crew else FlowWorker(surroundings)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stdout, level=logging.ERROR)
    set_suppress_console_output(True)
    main(_worker)
    # Threads that still wait for the LLM would hold the process.
    sys.stdout.flush()
    os._exit(0)
