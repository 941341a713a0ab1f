"""Evidence to verdicts: a module a promise, a function an anomaly, one registry.

A new checker is its module, a line in registry.CHECKERS, a red history, and a paragraph in
docs/guarantees.md.
"""

from harness.checkers.registry import CHECKERS, all_anomalies, run_checkers

__all__ = ["CHECKERS", "all_anomalies", "run_checkers"]
