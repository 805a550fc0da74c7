"""Questions without a language model: one call, its fields, and no guess."""

import asyncio
from typing import Any

import pytest

from answer_judging import ask, judge, read_questions
from industriverse.agents.answering.memory import IDLE_NS, MOST_CONVERSATIONS, Conversations, Frame
from industriverse.operations.context import LOCAL_OPERATOR, Principal
from industriverse.operations.errors import InvalidArgumentsError
from industriverse.operations.platform import Platform
from industriverse.operations.registry import registry
from industriverse.operations.toolsets.asking import AskOutput
from prepared_plant import Prepared, call


def asked(
    platform: Platform, *questions: str, principal: Principal = LOCAL_OPERATOR, **options: Any
) -> list[AskOutput]:
    """The answers of one conversation."""

    async def talk() -> list[AskOutput]:
        return [
            await call(
                platform,
                "platform_ask",
                caller=principal,
                question=q,
                mode="retrieval",
                **{"conversation": "c", **options},
            )
            for q in questions
        ]

    return asyncio.run(talk())


def test_every_verb_that_changes_nothing_has_questions() -> None:
    assert all(
        len(o.examples) >= 3 for o in registry if o.read_only and o.default_on and o.name != "platform_ask"
    )


def test_an_answer_prints_fields_with_unit_time_tool_and_link(platform: Platform) -> None:
    (got,) = asked(platform, "what is the free energy of practice?")
    regime = asyncio.run(call(platform, "eil_regime", stream="practice"))
    assert (got.kind, got.tool, got.mode) == ("answer", "eil_regime", "retrieval")
    fact = next(fact for fact in got.facts if fact.name == "free energy")
    assert (fact.value, fact.unit) == (regime.free_energy_kt, "kT")
    assert f"{regime.free_energy_kt:.6g} kT" in got.text
    assert got.time == regime.time
    assert "eil_regime" in got.text
    assert got.link in got.text


@pytest.mark.parametrize("question", ["will it rain tomorrow", "asdf qwer zxcv", "who won the match", "????"])
def test_what_no_verb_answers_is_refused(platform: Platform, question: str) -> None:
    (got,) = asked(platform, question)
    assert got.kind == "refused"
    assert not got.tool


@pytest.mark.parametrize(
    "question", ["isolate plc-1", "please shut down pump 335", "carry out the plan", "mint 5 PFT"]
)
def test_an_order_is_refused_and_changes_nothing(platform: Platform, question: str) -> None:
    (got,) = asked(platform, question)
    assert got.kind == "refused"
    assert platform.services.plants.find("practice").active_commands() == ()


def test_a_follow_up_takes_stream_and_time_from_the_answer_before(platform: Platform) -> None:
    first, earlier, again = asked(
        platform, "is practice calm?", "and an hour earlier?", "another 30 min earlier"
    )
    assert first.arguments == {"stream": "practice"}
    assert earlier.arguments == {"stream": "practice", "at": "2026-02-05T19:30:00Z"}
    assert again.arguments["at"] == "2026-02-05T19:00:00Z"


def test_that_tank_is_the_tank_that_was_spoken_of(platform: Platform) -> None:
    _, got = asked(platform, "level of tank 2 in 3 hours", "what will the outflow of that tank be in an hour")
    assert got.arguments["channels"] == ["tank-2.outflow"]


def test_a_follow_up_about_another_asset_keeps_the_quantity(platform: Platform) -> None:
    _, got = asked(platform, "level of tank 2 in 3 hours", "and tank 1?")
    assert got.arguments["channels"] == ["tank-1.level"]
    assert got.arguments["horizon_hours"] == 3.0


def test_one_of_several_is_asked_for_and_the_reply_is_understood(platform: Platform) -> None:
    which, got = asked(platform, "what will the flow of the pump be in an hour", "the second one")
    assert which.kind == "choice"
    assert which.choices == ["pump-10", "pump-335"]
    assert got.arguments["channels"] == ["pump-335.flow"]


def test_a_conversation_belongs_to_its_owner(platform: Platform) -> None:
    asked(platform, "is practice calm?", conversation="shared")
    stranger = Principal("stranger", frozenset({"read"}))
    (got,) = asked(platform, "and an hour earlier?", conversation="shared", principal=stranger)
    assert got.kind != "answer"


def test_a_question_reads_only_what_the_caller_may(platform: Platform) -> None:
    (got,) = asked(platform, "tank 1 level in 6 h", principal=Principal("reader", frozenset({"read"})))
    assert got.kind == "refused"
    assert "'forecast'" in got.text


def test_values_are_given_in_the_unit_that_was_asked_for(platform: Platform) -> None:
    (got,) = asked(platform, "pressure at junction 35 in psi")
    latest = next(fact for fact in got.facts if fact.name.endswith("latest"))
    assert latest.unit == "m[H2O]"
    assert f"(= {latest.value * 9806.65 / 6894.757293168:.4g} psi)" in got.text


def test_a_date_that_reads_two_ways_is_asked_back(platform: Platform) -> None:
    (got,) = asked(platform, "state of practice on 02/03/2026")
    assert got.kind == "choice"
    assert got.choices == ["2026-03-02", "2026-02-03"]


def test_an_unknown_zone_is_refused_with_the_fix(platform: Platform) -> None:
    with pytest.raises(InvalidArgumentsError, match="zone: no time zone 'Mars/Base'; give an IANA name"):
        asked(platform, "is practice calm?", zone="Mars/Base")


def test_the_documentation_is_quoted_with_its_place(platform: Platform) -> None:
    (got,) = asked(platform, "what does NVP stand for?")
    assert got.kind == "documentation"
    assert "Next Vector Prediction" in got.text
    assert got.link.startswith("docs://")


def test_conversations_are_bounded_and_forgotten() -> None:
    now = 0
    kept = Conversations(lambda: now)
    for i in range(MOST_CONVERSATIONS + 5):
        kept.keep("me", str(i), Frame(tool="t"))
    assert len(kept) == MOST_CONVERSATIONS
    assert kept.recall("me", "0") == Frame()
    assert kept.recall("me", "20").tool == "t"
    assert kept.recall("you", "20") == Frame()
    now = IDLE_NS + 1
    assert kept.recall("me", "20") == Frame()


def test_the_questions_that_thresholds_were_set_on_are_answered(platform: Platform, story: Prepared) -> None:
    slow = {"eil_decide", "shield_plan", "nvp_forecast"}
    questions = read_questions("questions_tuning.jsonl", {"incident": story.incident_id})

    async def run() -> list[Any]:
        return [
            await judge(platform, q, *await ask(platform, q.question))
            for q in questions
            if q.tool not in slow
        ]

    judged = asyncio.run(run())
    inside = [j for j in judged if j.asked.tool]
    outside = [j for j in judged if not j.asked.tool]
    assert not [(j.asked.question, j.wrong_numbers) for j in judged if j.wrong_numbers]
    assert sum(j.tool_right for j in inside) >= 0.9 * len(inside)
    assert sum(j.refused for j in outside) >= 0.9 * len(outside)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("by which formula is the price in a market worked out", "documentation"),
        ("what is meant by free energy", "documentation"),
        ("how do I fix a flat tyre", "refused"),
        ("by which formula is the price of bread worked out", "refused"),
    ],
)
def test_what_things_mean_is_quoted_if_the_pages_know_every_word(
    platform: Platform, question: str, kind: str
) -> None:
    got, _ = asyncio.run(ask(platform, question))
    assert got.kind == kind


def test_the_sets_of_questions_are_long_and_name_verbs_that_exist(story: Prepared) -> None:
    from industriverse.agents.answering.retrieval import PAGES

    for which in ("first", "held_out", "third", "fourth"):
        questions = read_questions(f"questions_{which}.jsonl", {"incident": story.incident_id})
        assert len(questions) >= 150
        assert {q.tool for q in questions} <= {o.name for o in registry} | {"", PAGES}
