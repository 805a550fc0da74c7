"""One declaration a verb: complete, selectable, and refused where it must be."""

import asyncio
import inspect
from pathlib import Path

import pytest
from pydantic import BaseModel

from industriverse.operations.context import Principal
from industriverse.operations.errors import InvalidArgumentsError, NotAllowedError, UnknownOperationError
from industriverse.operations.platform import Platform
from industriverse.operations.registry import Operation, Registry, registry
from industriverse.operations.toolsets import TOOLSETS, load
from prepared_plant import Prepared, call, on, opened

load()
EVERY_OPERATION = tuple(registry)


def named(declared: Operation) -> str:
    return declared.name


@pytest.mark.parametrize("declared", EVERY_OPERATION, ids=named)
def test_every_operation_says_who_may_call_it_and_what_it_does(declared: Operation) -> None:
    assert declared.scope
    assert declared.title
    assert declared.summary.endswith("."), declared.summary
    assert inspect.iscoroutinefunction(declared.function)


@pytest.mark.parametrize("declared", EVERY_OPERATION, ids=named)
def test_every_operation_has_typed_input_and_output(declared: Operation) -> None:
    assert issubclass(declared.input_model, BaseModel)
    assert issubclass(declared.output_model, BaseModel)
    for name, field in declared.input_model.model_fields.items():
        assert field.description, f"{declared.name} does not describe {name}"


@pytest.mark.parametrize("declared", EVERY_OPERATION, ids=named)
def test_examples_of_every_operation_fit_its_input(declared: Operation) -> None:
    for example in declared.examples:
        assert example.question
        declared.input_model.model_validate(example.arguments)


@pytest.mark.parametrize("declared", EVERY_OPERATION, ids=named)
def test_no_operation_is_read_only_and_destructive(declared: Operation) -> None:
    assert not (declared.read_only and declared.destructive)
    assert declared.idempotent or not declared.read_only


def test_every_toolset_module_declares_its_toolset_alone() -> None:
    assert registry.toolsets() == tuple(sorted(TOOLSETS))


def test_the_default_surface_holds_at_most_fifteen_tools() -> None:
    assert 0 < len(registry.select()) <= 15


def test_a_verb_declared_twice_is_refused() -> None:
    own = Registry()
    own.add(EVERY_OPERATION[0])
    with pytest.raises(ValueError, match="twice"):
        own.add(EVERY_OPERATION[0])


def test_an_unknown_toolset_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownOperationError, match="no toolset 'nonsense'; toolsets are all, agents"):
        registry.select(toolsets=frozenset({"nonsense"}))


def test_an_unknown_operation_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownOperationError, match=r"no operation 'nonsense'; .*platform_status"):
        registry["nonsense"]


def test_a_read_only_surface_shows_no_operation_that_changes_anything() -> None:
    shown = registry.select(toolsets=frozenset({"all"}), read_only=True)
    assert shown
    assert {declared.name for declared in shown} == {o.name for o in EVERY_OPERATION if o.read_only}


@pytest.mark.parametrize("declared", [o for o in EVERY_OPERATION if not o.read_only], ids=named)
def test_read_only_mode_refuses_what_changes_anything(declared: Operation, tmp_path: Path) -> None:
    with (
        opened(tmp_path / "home", read_only=True) as platform,
        pytest.raises(NotAllowedError, match="read-only"),
    ):
        asyncio.run(call(platform, declared.name))


@pytest.mark.parametrize("declared", EVERY_OPERATION, ids=named)
def test_a_principal_without_the_scope_is_refused_before_arguments_are_looked_at(
    declared: Operation, tmp_path: Path
) -> None:
    everything_else = frozenset(o.scope for o in EVERY_OPERATION) - {declared.scope}
    stranger = Principal("stranger", everything_else)
    with (
        opened(tmp_path / "home") as platform,
        pytest.raises(NotAllowedError, match=f"stranger lacks the scope '{declared.scope}'"),
    ):
        asyncio.run(call(platform, declared.name, caller=stranger, nonsense=1))


def test_invalid_arguments_name_the_field_the_value_and_the_fix(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        with pytest.raises(
            InvalidArgumentsError, match=r"until_hours: .*\(got 'soon'\); see the input schema"
        ):
            await call(platform, "sim_run", plant_id="p", until_hours="soon")
        with pytest.raises(InvalidArgumentsError, match=r"create\.interval_s: .*\(got 7\)"):
            await call(platform, "sim_run", plant_id="p", until_hours=1, create={"interval_s": 7})
        with pytest.raises(InvalidArgumentsError, match=r"incident_id: Field required"):
            await call(platform, "shield_explain")

    on(tmp_path / "home", story)


def test_an_overlong_argument_is_not_echoed_whole(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        with pytest.raises(InvalidArgumentsError) as refused:
            await call(platform, "sim_run", plant_id="p" * 100_000, until_hours=1.0)
        assert len(str(refused.value)) < 300

    on(tmp_path / "home", story)


def test_a_misspelt_argument_is_refused_and_named(tmp_path: Path) -> None:
    async def story(platform: Platform) -> None:
        with pytest.raises(InvalidArgumentsError, match="incident: "):
            await call(platform, "shield_threats", incident="x")

    on(tmp_path / "home", story)


def test_an_operation_that_must_ask_and_cannot_does_nothing_and_says_so(
    planned: Path, story: Prepared
) -> None:
    from industriverse.operations.errors import ApprovalUnavailableError

    async def tale(platform: Platform) -> None:
        with pytest.raises(ApprovalUnavailableError, match="elicitation"):
            await call(platform, "shield_act", plan_id=story.plan_id)
        plant = platform.services.plants.find("practice")
        assert plant.active_commands() == ()

    on(planned, tale)


def test_outcomes_of_calls_are_counted(tmp_path: Path) -> None:
    from prometheus_client import REGISTRY

    def count(outcome: str) -> float:
        labels = {"operation": "platform_status", "outcome": outcome}
        return REGISTRY.get_sample_value("industriverse_operation_calls_total", labels) or 0.0

    async def story(platform: Platform) -> None:
        before = count("done")
        await call(platform, "platform_status")
        assert count("done") == before + 1

    on(tmp_path / "home", story)
