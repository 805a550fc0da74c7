"""How often questions in plain language reach the right verb, and whether any number in an answer is wrong.

    python benchmarks/answers.py                # the newest set, beside two naive baselines
    python benchmarks/answers.py --set tuning   # questions that were tuned on; so are all but the newest
    python benchmarks/answers.py --styles       # each style of asking left out of what is learnt, and then asked
    python benchmarks/answers.py --report       # the same as a pydantic_evals report, for both modes

The questions stand in tests/agents_answers; the plant is simulated (EPANET Net3) and made anew with a fixed seed.
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from answer_judging import Asked, Judged, ask, judge, read_questions  # noqa: E402
from industriverse.operations.platform import Platform  # noqa: E402
from industriverse.operations.registry import registry  # noqa: E402
from industriverse.operations.toolsets.asking import ask_output  # noqa: E402
from industriverse.physics import IndustriverseError  # noqa: E402
from prepared_plant import copied, opened, prepared  # noqa: E402

SETS = {
    "tuning": "questions_tuning.jsonl",
    "first": "questions_first.jsonl",
    "held-out": "questions_held_out.jsonl",
    "third": "questions_third.jsonl",
    "fourth": "questions_fourth.jsonl",
    "fifth": "questions_fifth.jsonl",
}

HELD_OUT = list(SETS)[-1]
"""The newest set, and the only one whose questions may be no examples yet."""
OTHER_AUTHORS = ("third set", "fourth set")
"""Styles that are sets of questions which other people wrote."""
AFTER_READING = ("night shift", "talker", "laboratory", "contractor")
"""Styles that were written after their misses were read."""


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.casefold()))


def keyword_overlap(question: str) -> str:
    """The verb with most words in common with one of its examples; refused where there are none."""
    best, most = "", 0
    for declared in registry:
        if declared.read_only:
            for example in declared.examples:
                shared = len(words_of(question) & words_of(example.question))
                if shared > most:
                    best, most = declared.name, shared
    return best


def share(hits: int, of: int) -> str:
    return f"{hits}/{of} ({100 * hits / max(of, 1):.1f} %)"


def print_figures(questions: list[Asked], judged: list[Judged]) -> None:
    inside = [j for j in judged if j.asked.tool]
    outside = [j for j in judged if not j.asked.tool]
    naive = [(q.tool, keyword_overlap(q.question)) for q in questions]
    majority, _ = Counter(q.tool for q in questions if q.tool).most_common(1)[0]
    numbers = [(j.asked.question, j.wrong_numbers) for j in judged if j.wrong_numbers]
    print(
        f"questions                     {len(questions)}: {len(inside)} in scope, {len(outside)} out of scope"
    )
    print(f"top-1 tool                    {share(sum(j.tool_right for j in inside), len(inside))}")
    print(f"  keyword overlap             {share(sum(t == g for t, g in naive if t), len(inside))}")
    print(f"  majority tool ({majority})  {share(sum(t == majority for t, _ in naive if t), len(inside))}")
    print(
        f"answered or quoted at once    {share(sum(j.tool_right and not j.asked_back for j in inside), len(inside))}"
    )
    print(f"tool and all slots            {share(sum(j.slots_right for j in inside), len(inside))}")
    stated = [j for j in inside if j.asked.facts]
    print(f"expected facts printed        {share(sum(j.facts_right for j in stated), len(stated))}")
    print(f"out of scope refused          {share(sum(j.refused for j in outside), len(outside))}")
    print(f"  keyword overlap             {share(sum(not g for t, g in naive if not t), len(outside))}")
    print(f"in scope but refused          {share(sum(j.refused for j in inside), len(inside))}")
    print(f"answers with a wrong number   {len(numbers)}")
    for question, wrong in numbers:
        print(f"    {question}: {wrong}")


def print_misses(judged: list[Judged], answers: dict[str, str]) -> None:
    for j in judged:
        right = (j.slots_right and j.facts_right) if j.asked.tool else j.refused
        if not right:
            print(f"  miss: {j.asked.question!r} wanted {j.asked.tool or 'refusal'} {j.asked.slots}")
            print(f"        {answers.get(j.asked.question, '')}")


def print_reports(platform: Platform, questions: list[Asked]) -> None:
    """Both modes as pydantic_evals reports.

    No language model can be reached offline. The second report drives the whole path of a model (tools over MCP,
    evidence, checks of numbers) with a function in its place that is told which tool to call: it tests plumbing,
    and says nothing about how well a real model chooses.
    """
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import Evaluator, EvaluatorContext

    class AsExpected(Evaluator[Asked, Judged, None]):
        def evaluate(self, ctx: EvaluatorContext[Asked, Judged, None]) -> dict[str, bool]:
            j = ctx.output
            if not j.asked.tool:
                return {"out of scope refused": j.refused}
            return {
                "tool": j.tool_right,
                "slots": j.slots_right,
                "facts": j.facts_right,
                "no wrong number": not j.wrong_numbers,
            }

    async def by_retrieval(asked: Asked) -> Judged:
        return await judge(platform, asked, *await ask(platform, asked.question))

    def dataset(name: str, chosen: list[Asked]) -> Dataset[Asked, Judged, None]:
        cases: list[Case[Asked, Judged, None]] = [Case(name=q.question, inputs=q) for q in chosen]
        return Dataset(name=name, cases=cases, evaluators=[AsExpected()])

    report = dataset("retrieval", questions).evaluate_sync(by_retrieval, progress=False, max_concurrency=1)
    report.print(include_durations=False)
    asked_of_tools = [
        q for q in questions if q.tool in registry and q.tool not in ("eil_decide", "shield_plan")
    ]

    async def by_function(asked: Asked) -> Judged:
        return await _ask_a_function(platform, asked)

    plumbing = dataset("plumbing of the language model", asked_of_tools)
    plumbing.evaluate_sync(by_function, progress=False, max_concurrency=1).print(include_durations=False)


class _NotCalledError(IndustriverseError):
    """Stands in for the call of a verb where only the choice of the verb is looked at."""


def unlearnt(style: str) -> tuple[str, ...]:
    """Styles that are left out with one: with another author's, all that were written after reading it."""
    return (style, *AFTER_READING) if style in OTHER_AUTHORS else (style,)


def print_styles(platform: Platform, wanted: list[str]) -> None:
    """Leave out one style of asking after the other, and ask its questions; nothing is called."""
    from importlib import import_module

    from industriverse.agents.answering.memory import Conversations
    from industriverse.agents.answering.ranking import OUTSIDE
    from industriverse.agents.answering.retrieval import RetrievalAnswers
    from industriverse.operations.asking import Question
    from industriverse.operations.context import LOCAL_OPERATOR, OperationContext
    from industriverse.operations.examples.further import styles

    async def not_called(_: Platform, verb: str, *__: Any, **___: Any) -> None:
        raise _NotCalledError(verb)

    import_module("industriverse.agents.answering.retrieval").invoke = not_called  # type: ignore[attr-defined]
    context, total = OperationContext(platform, LOCAL_OPERATOR), Counter[str]()
    for style, by_verb in ((s, b) for s, b in styles().items() if not wanted or s in wanted):
        answers, found = (
            RetrievalAnswers(registry, Conversations(platform.clock), unlearnt(style)),
            Counter[str](),
        )
        for verb, examples in by_verb.items():
            acts = verb in registry and not registry[verb].read_only
            for place, example in enumerate(examples):
                text = example.question
                if verb != OUTSIDE:
                    text = re.sub(r"\bwater\b(?! (?:network|plant|system|safe))", "practice", text)
                got = asyncio.run(answers.answer(Question(text, f"{verb}-{place}"), context))
                chosen = got.choices[0] if got.kind == "choice" and got.choices else got.tool
                side = "out" if verb == OUTSIDE or acts else "in"
                found += Counter({side: 1, f"{side} refused": got.kind == "refused", "right": chosen == verb})
        total += found
        print(f"{style:14} {_style_line(found)}")
    print(f"{'all':14} {_style_line(total)}")


def _style_line(found: "Counter[str]") -> str:
    return (
        f"out of scope refused {share(found['out refused'], found['out'])}, in scope refused "
        f"{share(found['in refused'], found['in'])}, right verb {share(found['right'], found['in'])}"
    )


async def _ask_a_function(platform: Platform, asked: Asked) -> Judged:
    """Answer by a function in a model's place that calls the expected tool and quotes its first number."""
    from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart, ToolReturnPart
    from pydantic_ai.models.function import AgentInfo, FunctionModel

    from industriverse.agents.answering.answers import PlatformAnswers
    from industriverse.agents.answering.language_model import ModelAnswers
    from industriverse.agents.answering.memory import Conversations
    from industriverse.operations.asking import Question
    from industriverse.operations.context import LOCAL_OPERATOR, OperationContext
    from industriverse.operations.policy import invoke

    arguments = dict(asked.slots)
    if "stream" in registry[asked.tool].input_model.model_fields and asked.tool in (
        "eil_regime",
        "nvp_forecast",
    ):
        arguments.setdefault("stream", "practice")

    def script(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        got: list[Any] = [p.content for m in messages for p in m.parts if isinstance(p, ToolReturnPart)]
        if not got:
            return ModelResponse([ToolCallPart(asked.tool, arguments)])
        numbers = [(k, v) for k, v in got[0].get("result", {}).items() if isinstance(v, float)]
        text = f"{numbers[0][0].replace('_', ' ')} {numbers[0][1]:.4f}" if numbers else "see the result"
        evidence = [got[0]["evidence_id"]] if "evidence_id" in got[0] else []
        return ModelResponse([ToolCallPart(info.output_tools[0].name, {"text": text, "evidence": evidence})])

    answers = platform.answers
    assert isinstance(answers, PlatformAnswers)
    model = ModelAnswers(FunctionModel(script), answers.open_server, Conversations(platform.clock))
    context = OperationContext(platform, LOCAL_OPERATOR)
    answered = await model.answer(Question(asked.question, "benchmark", "model"), context)
    got = ask_output(answered, "benchmark")
    if answered.kind != "answer":
        return await judge(platform, asked, got, None)
    result = await invoke(platform, asked.tool, answered.arguments, principal=LOCAL_OPERATOR)
    return await judge(platform, replace(asked, facts=()), got, result)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", choices=sorted(SETS), default=HELD_OUT)
    parser.add_argument(
        "--misses", action="store_true", help="show every miss; never to tune on questions held out"
    )
    parser.add_argument(
        "--styles",
        nargs="*",
        metavar="STYLE",
        help="leave out one style of asking after the other (all)",
    )
    parser.add_argument("--report", action="store_true", help="print pydantic_evals reports for both modes")
    options = parser.parse_args()
    story = prepared()
    questions = read_questions(SETS[options.set], {"incident": story.incident_id})
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(copied(story.planned, Path(folder) / "home")) as platform,
    ):
        if options.styles is not None:
            print_styles(platform, options.styles)
            return
        if options.report:
            print_reports(platform, questions)
            return

        async def run() -> tuple[list[Judged], dict[str, Any]]:
            judged, texts = [], {}
            for asked in questions:
                got, result = await ask(platform, asked.question)
                texts[asked.question] = f"{got.kind} {got.tool} {got.arguments} {got.text[:100]!r}"
                judged.append(await judge(platform, asked, got, result))
            return judged, texts

        started = time.perf_counter()
        judged, texts = asyncio.run(run())
        print_figures(questions, judged)
        print(f"wall time                     {time.perf_counter() - started:.1f} s")
        if options.misses:
            print_misses(judged, texts)


if __name__ == "__main__":
    main()
