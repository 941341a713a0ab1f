"""docs/*.schema.json: the JSON Schema of results.json, matrix.json and capacity.json.

They are made from the records; `make tables` writes them anew. A reader in another language can
rely on them.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from harness import messages, results, state_store, verdict
from harness.capacity import record as capacity_record
from harness.capacity import usl
from harness.capacity.record import CapacityResult
from harness.results import SCHEMA, MatrixResult, RunResult, decode_run, encode
from tests import report_fixtures as fixtures
from tests.contract.test_registries import texts_of

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FILES = {"results": RunResult, "matrix": MatrixResult, "capacity": CapacityResult}
VOCABULARY = (results, verdict, messages, state_store, capacity_record, usl)
KEPT = ROOT / "tests" / "histories" / "results-1.json"
"""A results.json as the first reader of schema 1 wrote it."""


def documents() -> dict[str, bytes]:
    """File name in docs/ -> its content."""
    return {f"{name}.schema.json": _document(name, record) for name, record in FILES.items()}


def _document(name: str, record: type) -> bytes:
    found: dict[str, Any] = msgspec.json.schema(record)
    for title, definition in found["$defs"].items():
        (owner, *_) = [getattr(one, title) for one in VOCABULARY if hasattr(one, title)]
        for field, text in texts_of(owner).items():
            definition["properties"][field]["description"] = text.replace("\\|", "|")
    found["$defs"][record.__name__]["properties"]["schema"] = {
        "const": SCHEMA,
        "description": "Readers of onceproof take this number and the one before.",
    }
    found["$defs"][record.__name__]["required"].insert(0, "schema")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{name}.json of onceproof, schema {SCHEMA}",
        "description": "Fields may be added under one number; none is removed or changes meaning.",
    }
    return msgspec.json.format(msgspec.json.encode(head | found), indent=1) + b"\n"


@pytest.mark.parametrize("name", list(documents()))
def test_the_published_schema_is_that_of_the_records(name: str) -> None:
    """On a difference: `make tables`, and a look at whether an older reader still copes."""
    assert (DOCS / name).read_bytes() == documents()[name]


@pytest.mark.parametrize("name", ["default", "wide", "unjudged", "hostile"])
def test_what_is_written_obeys_the_schema(name: str) -> None:
    """Judged, skipped and failed runs, with anomalies."""
    matrix = fixtures.MATRICES[name]()
    validators = {
        file: jsonschema.Draft202012Validator(msgspec.json.decode(data))
        for file, data in documents().items()
    }

    validators["matrix.schema.json"].validate(msgspec.json.decode(encode(matrix)))
    for run in matrix.runs:
        validators["results.schema.json"].validate(msgspec.json.decode(encode(run)))


@pytest.mark.parametrize("change", [{"schema": SCHEMA + 1}, {"verdict": 3}, {"promises": {}}])
def test_what_is_no_result_is_refused(change: dict[str, object]) -> None:
    """Another number, another type, another shape."""
    data = msgspec.json.decode(encode(fixtures.valid_run())) | change
    schema = msgspec.json.decode(documents()["results.schema.json"])

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(data)


def test_every_required_field_was_always_there() -> None:
    """A file of before is read: whatever schema 1 did not have at first has a default."""
    run = decode_run(KEPT.read_bytes(), source="results-1.json")

    assert run.name == "pod_kill.control:naive.none.none.0"
    assert run.resume.ms_p50_range is None
    for field in dataclasses.fields(run):
        if field.name not in msgspec.json.decode(KEPT.read_bytes()):
            assert field.default is not dataclasses.MISSING
