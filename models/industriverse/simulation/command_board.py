"""Which commands hold now: applied once by id, undone in any order."""

from collections.abc import Sequence

from industriverse.simulation.errors import CommandError
from industriverse.simulation.plant import Command, CommandSpec

__all__ = ["CommandBoard"]


class CommandBoard:
    """Applied commands of one plant. For each verb and target the latest active command holds.

    Args:
        specs: What may be commanded.
    """

    def __init__(self, specs: Sequence[CommandSpec]) -> None:
        self._specs = {(spec.verb, spec.target): spec for spec in specs}
        self._known: dict[str, Command] = {}
        self._reverted: set[str] = set()

    def check(self, command: Command) -> bool:
        """Refuse a command that could not be applied; returns whether it would be new.

        Raises:
            CommandError: If the id is empty or means another command, if verb or target is unknown, or if
                the value is not allowed.
        """
        if not command.id:
            raise CommandError("a command has no id", hint="give an id that is unique to this order")
        known = self._known.get(command.id)
        if known is not None and known != command:
            raise CommandError(
                f"command id {command.id!r} already means {known.verb} {known.target}", hint="use a new id"
            )
        spec = self._specs.get((command.verb, command.target))
        if spec is None:
            choices = ", ".join(f"{verb} {target}" for verb, target in self._specs)
            raise CommandError(f"cannot {command.verb} {command.target}", hint=f"choose from {choices}")
        _check_value(command, spec)
        return known is None

    def apply(self, command: Command) -> bool:
        """Put a command on the board; returns whether it is new."""
        new = self.check(command)
        if new:
            self._known[command.id] = command
        return new

    def check_revert(self, command_id: str) -> bool:
        """Refuse to revert what is unknown or irreversible; returns whether it still holds.

        Raises:
            CommandError: If no such command was applied or it cannot be undone from here.
        """
        command = self._known.get(command_id)
        if command is None:
            applied = ", ".join(self._known) or "none"
            raise CommandError(f"no command {command_id!r} was applied", hint=f"applied ids: {applied}")
        spec = self._specs[command.verb, command.target]
        if not spec.reversible:
            raise CommandError(
                f"{command.verb} {command.target} cannot be reverted from here", hint=spec.reversal
            )
        return command_id not in self._reverted

    def revert(self, command_id: str) -> bool:
        """Take a command off the board; returns whether it was still on it."""
        holds = self.check_revert(command_id)
        self._reverted.add(command_id)
        return holds

    def active(self) -> tuple[Command, ...]:
        """Applied and not reverted, oldest first."""
        return tuple(c for key, c in self._known.items() if key not in self._reverted)

    def holding(self, verb: str, target: str) -> Command | None:
        """The command that holds for this verb and target, or None."""
        for command in reversed(self.active()):
            if (command.verb, command.target) == (verb, target):
                return command
        return None


def _check_value(command: Command, spec: CommandSpec) -> None:
    where = f"{command.verb} {command.target}"
    if spec.values:
        if command.value not in spec.values:
            raise CommandError(
                f"{where} got value {command.value!r}", hint=f"choose from {', '.join(spec.values)}"
            )
    elif spec.minimum is not None and spec.maximum is not None:
        number = command.value
        if (
            isinstance(number, bool | str)
            or number is None
            or not spec.minimum <= float(number) <= spec.maximum
        ):
            raise CommandError(
                f"{where} got value {number!r}", hint=f"give a number from {spec.minimum} to {spec.maximum}"
            )
    elif command.value is not None:
        raise CommandError(f"{where} takes no value and got {command.value!r}", hint="leave value out")
