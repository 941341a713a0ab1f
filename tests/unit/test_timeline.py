"""An agent's picture: its attempts, their uses, and the faults around them."""

from xml.etree import ElementTree

from harness.measures.timeline import AGENTS_MAX, CALLS_MAX, timelines_of
from harness.results import AgentTimeline
from reports.timeline import timeline_svg
from tests.histories.build import ask, begin, evidence_of, fired, healed, outcome

RUN = evidence_of(
    ask("a1", "1"),
    begin("a1", "2"),
    fired("agents-0.1"),
    healed(),
    ask("a1", "2", caller="agents-0.2"),
    outcome("a1"),
)


def timeline() -> AgentTimeline:
    (found,) = timelines_of(RUN, ["a1"])
    return found


def test_attempts_stand_in_order_with_who_made_them_and_what_came() -> None:
    """The call that the kill interrupted was never answered; its repetition carries the outcome."""
    calls = timeline().calls

    assert [(call.call, call.caller, call.outcome) for call in calls] == [
        ("1 turn 0", "agents-0.1", "answered"),
        ("2 turn 0", "agents-0.1", "open"),
        ("2 turn 0", "agents-0.2", "answered"),
    ]
    assert calls[0].used_s == calls[1].begin_s
    assert calls[1].used_s == -1.0
    assert calls[2].used_s == timeline().outcome_s


def test_fault_has_its_window_and_victims() -> None:
    """From about to fire to healed, in seconds after the begin of the load."""
    (fault,) = timeline().faults

    assert fault.victims == ("agents-0.1",)
    assert timeline().calls[1].begin_s < fault.begin_s < fault.end_s < timeline().calls[2].begin_s


def test_strangers_and_masses_are_left_out() -> None:
    """No timeline for an unknown agent, at most 50 agents, and of a storm the first calls."""
    storm = evidence_of(*(ask("a1", "1") for _ in range(CALLS_MAX + 5)), outcome("a1"))
    many = evidence_of(*(ask(f"a{number}", "1") for number in range(AGENTS_MAX + 3)))

    assert timelines_of(RUN, ["nobody"]) == ()
    assert timelines_of(storm, ["a1"])[0].calls_hidden == 5
    assert len(timelines_of(many, many.names.agents)) == AGENTS_MAX


def test_picture_is_whole_and_says_in_words_what_it_shows() -> None:
    """Well-formed SVG with a title and a description, a bar an attempt, a band a fault."""
    svg = ElementTree.fromstring(str(timeline_svg(timeline(), "r1")))
    kinds = [part.get("class") for part in svg.iter() if part.tag == "rect"]
    said = svg.findtext("desc") or ""

    assert svg.get("role") == "img"
    assert kinds.count("told") == 2
    assert kinds.count("lost") == 1
    assert kinds.count("window near") == 1
    assert "never answered" in said
    assert "struck agents-0.1" in said


def test_names_of_strangers_stay_text() -> None:
    """What an engine or an agent is called cannot become markup."""
    hostile = AgentTimeline(
        agent="<script>",
        begin_s=0.0,
        end_s=1.0,
        outcome_s=-1.0,
        calls=(),
        calls_hidden=0,
        faults=(),
    )

    assert "<script>" not in str(timeline_svg(hostile, "r1"))


def test_picture_is_small() -> None:
    """Fifty of them keep a page readable: a chain of five with a kill takes under 4 kB."""
    assert len(str(timeline_svg(timeline(), "r1"))) < 4096
