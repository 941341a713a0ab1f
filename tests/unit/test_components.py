"""Component files: what is written into a run is the shipped file with the run's addresses."""

import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from harness.cluster.components import components_beside, write_component, write_messages, write_old
from harness.engines.registry import ENGINES
from harness.errors import UsageError
from harness.protocols import Component
from harness.stores import STORES

SHIPPED = Path(__file__).resolve().parents[2] / "components"


def test_metadata_of_the_run_replaces_the_default(tmp_path: Path) -> None:
    """Everything else stays as it is in the shipped file."""
    component = Component(file="state-redis.yaml", metadata={"redisHost": "127.0.0.1:20001"})

    written = yaml.safe_load(
        write_component(component, source=SHIPPED, target=tmp_path).read_text()
    )

    shipped = yaml.safe_load((SHIPPED / "state-redis.yaml").read_text())
    values = {entry["name"]: entry["value"] for entry in written["spec"]["metadata"]}
    defaults = {entry["name"]: entry["value"] for entry in shipped["spec"]["metadata"]}
    assert values == defaults | {"redisHost": "127.0.0.1:20001"}
    assert written["metadata"] == shipped["metadata"]


def test_the_shipped_file_is_not_changed(tmp_path: Path) -> None:
    """The effective file lies in the run."""
    before = (SHIPPED / "state-sqlite.yaml").read_bytes()
    component = Component(file="state-sqlite.yaml", metadata={"connectionString": "x"})

    write_component(component, source=SHIPPED, target=tmp_path / "components")

    assert (SHIPPED / "state-sqlite.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "No such file"),
        ("spec: [", "not a Dapr component"),
        ("spec: {}", "not a Dapr component"),
        ("- 1", "not a Dapr component"),
        ("", "not a Dapr component"),
        ("spec: {metadata: [{name: other, value: x}]}", "lacks redisHost"),
    ],
)
def test_a_file_that_is_no_component_is_named(tmp_path: Path, text: str | None, told: str) -> None:
    """The caller can mend it: the path, the problem, what was expected."""
    if text is not None:
        (tmp_path / "state.yaml").write_text(text)
    component = Component(file="state.yaml", metadata={"redisHost": "x"})

    with pytest.raises(UsageError, match=told) as caught:
        write_component(component, source=tmp_path, target=tmp_path / "out")

    assert "state.yaml" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_an_engine_wants_beside_the_store_is_shipped() -> None:
    """Each further component of an engine has a file for every store of that engine."""
    for engine in ENGINES.values():
        for spec in map(engine.spec, engine.variants):
            for store in spec.stores if spec.components else ():
                shipped = Component(file=STORES[store].component_file, metadata={})
                for component in components_beside(shipped, spec.components):
                    assert (SHIPPED / component.file).is_file()


def test_components_beside_the_store_share_its_address() -> None:
    """The same metadata, in files that are named after what they are for."""
    state = Component(file="state-redis.yaml", metadata={"redisHost": "127.0.0.1:20001"})

    assert components_beside(state, ("memory",)) == [
        Component(file="memory-redis.yaml", metadata={"redisHost": "127.0.0.1:20001"})
    ]


def definition_of(kind: str, version: str) -> dict[str, Any] | None:
    """The schema that Kubernetes holds a resource of Dapr's to; None where its source is not."""
    modules = Path(os.environ.get("GOMODCACHE") or Path.home() / "go" / "pkg" / "mod")
    for path in modules.glob("github.com/dapr/dapr@*/charts/dapr/crds/*.yaml"):
        for content in yaml.safe_load_all(path.read_text()):
            if content and content["spec"]["names"]["kind"] == kind:
                for one in content["spec"]["versions"]:
                    if one["name"] == version:
                        return dict(one["schema"]["openAPIV3Schema"])
    return None


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_what_is_shipped_is_valid_on_kubernetes_too(path: Path) -> None:
    """By the definitions that Dapr's own chart installs; names are such as Kubernetes takes."""
    content = yaml.safe_load(path.read_text())
    group, _, version = content["apiVersion"].partition("/")
    definition = definition_of(content["kind"], version)
    if definition is None:
        pytest.skip("Dapr's sources are not in Go's module cache: `make runtime` fetches them")

    problems = [
        f"{problem.json_path}: {problem.message}"
        for problem in jsonschema.Draft202012Validator(definition).iter_errors(content)
    ]

    assert group == "dapr.io"
    assert problems == []
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", content["metadata"]["name"])
    assert path.read_text().startswith("# ")


def test_a_broken_resource_is_not_valid_on_kubernetes() -> None:
    """The definitions above can fail."""
    definition = definition_of("Component", "v1alpha1")
    if definition is None:
        pytest.skip("Dapr's sources are not in Go's module cache: `make runtime` fetches them")
    content = yaml.safe_load((SHIPPED / "state-redis.yaml").read_text())
    del content["spec"]["type"]
    content["spec"]["metadata"][0]["name"] = 7

    found = list(jsonschema.Draft202012Validator(definition).iter_errors(content))

    assert {problem.json_path for problem in found} == {"$.spec", "$.spec.metadata[0].name"}


def test_each_topic_has_a_component_where_one_has_one_reader(tmp_path: Path) -> None:
    """The copies share all but the names; subscriptions name the copy that is theirs."""
    component = Component(
        file="pubsub-nats.yaml", metadata={"natsURL": "nats://x"}, reader_entry="durableName"
    )

    write_messages(component, source=SHIPPED, target=tmp_path)

    written = {path.stem: yaml.safe_load(path.read_text()) for path in tmp_path.glob("*.yaml")}
    subscribed = {name: one["spec"] for name, one in written.items() if one["kind"][0] == "S"}
    readers = {}
    for one in written.values():
        if one["kind"] == "Component":
            entries = {entry["name"]: entry["value"] for entry in one["spec"]["metadata"]}
            assert entries.pop("natsURL") == "nats://x"
            readers[one["metadata"]["name"]] = entries["durableName"]
    assert len(subscribed) == len(list(SHIPPED.glob("subscription-*.yaml")))
    assert {one["pubsubname"] for one in subscribed.values()} == set(readers)
    assert subscribed["subscription-starts"]["pubsubname"] == "agent-messages"
    assert len(set(readers.values())) == len(subscribed)


def test_one_component_reads_every_topic_elsewhere(tmp_path: Path) -> None:
    """The subscriptions are those that are shipped."""
    component = Component(file="pubsub-redis.yaml", metadata={"redisHost": "x:1"})

    write_messages(component, source=SHIPPED, target=tmp_path)

    for path in SHIPPED.glob("subscription-*.yaml"):
        assert (tmp_path / path.name).read_text() == path.read_text()
    assert len(list(tmp_path.glob("pubsub-*.yaml"))) == 1


def test_what_is_only_read_has_names_of_its_own(tmp_path: Path) -> None:
    """Beside the new broker's files of the same topics, under the same readers."""
    old = Component(file="pubsub-nats.yaml", metadata={"natsURL": "x"}, reader_entry="durableName")
    write_messages(
        Component(file="pubsub-redis.yaml", metadata={"redisHost": "x:1"}),
        source=SHIPPED,
        target=tmp_path,
    )

    write_old(old, source=SHIPPED, target=tmp_path)

    written = [yaml.safe_load(path.read_text()) for path in tmp_path.glob("*.yaml")]
    names = [(one["kind"], one["metadata"]["name"]) for one in written]
    used = {one["spec"]["pubsubname"] for one in written if one["kind"] == "Subscription"}
    assert len(set(names)) == len(names)
    assert {name for kind, name in names if kind == "Component"} == used
    assert {"agent-messages", "agent-messages-old", "agent-messages-results-old"} <= used
    assert (
        "value: onceproof-agents-results\n"
        in (tmp_path / "old-pubsub-nats-results.yaml").read_text()
    )
