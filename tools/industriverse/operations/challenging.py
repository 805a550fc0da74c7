"""Keyed challenges: which actuator adds which secret excitation, since when, and how its process answers.

The excitation goes into the plant as ordinary commands for the actuator: its steady setting is one command, and a
second one above it is given and taken back as the secret signs say. Sessions are kept before the first of their
commands, and every command bears the number of its sample, so that a process that dies goes on where it was.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from industriverse.eil.proof.challenge import Actuator, Challenge
from industriverse.operations.errors import NotFoundError, OperationError
from industriverse.operations.times import time_text
from industriverse.signals import NANOSECONDS_PER_SECOND, Frame
from industriverse.simulation.journaled_plant import JournaledPlant
from industriverse.simulation.plant import Command, CommandSpec
from industriverse.storage import open_durable

if TYPE_CHECKING:
    from industriverse.eil.proof.watermark import Watermark, WatermarkModel

__all__ = ["Challenges", "Session", "find_actuator"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
    id INTEGER PRIMARY KEY AUTOINCREMENT, plant TEXT NOT NULL, stream TEXT NOT NULL, content TEXT NOT NULL,
    stop_step INTEGER) STRICT;
"""
_SECRET_CONTEXT = b"industriverse watermark secret\n"
_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Session:
    """One stretch of excitation.

    Attributes:
        id: Number of the session.
        plant: The plant whose actuator is excited.
        stream: The stream that should show the answer.
        verb: The command that sets the actuator.
        target: The actuator.
        low: Lower end of its range.
        high: Upper end.
        share: Amplitude as a share of the range.
        steady: Setting around which it is excited.
        nonce: Hexadecimal; drawn for this session.
        commissioning: Whether it only serves to learn how the process answers.
        start_step: First sample of the plant that is excited.
        start_ns: Its time, nanoseconds since 1970-01-01 UTC.
        stop_step: First sample that is no longer excited, None while it is on.
    """

    id: int
    plant: str
    stream: str
    verb: str
    target: str
    low: float
    high: float
    share: float
    steady: float
    nonce: str
    commissioning: bool
    start_step: int
    start_ns: int
    interval_s: float
    stop_step: int | None = None

    @property
    def actuator(self) -> Actuator:
        """The actuator as the proof knows it."""
        return Actuator(f"{self.target} {self.verb}", self.low, self.high, self.share)

    @property
    def stop_ns(self) -> int | None:
        """Time of the first sample that is no longer excited."""
        if self.stop_step is None:
            return None
        steps = self.stop_step - self.start_step
        return self.start_ns + round(steps * self.interval_s * NANOSECONDS_PER_SECOND)


class Challenges:
    """The sessions of all plants.

    Args:
        folder: Where sessions and models are kept.
        find_plant: Opens a plant by its id.
        secret: Known to this installation and its actuators, at least 16 bytes.
    """

    def __init__(self, folder: Path, find_plant: Callable[[str], JournaledPlant], secret: bytes) -> None:
        self._folder = folder
        self._connection = open_durable(folder / "sessions.sqlite", _SCHEMA)
        self._find_plant = find_plant
        self._secret = secret

    def begin(
        self, plant_id: str, stream: str, spec: CommandSpec, *, share: float, nonce: str, commissioning: bool
    ) -> Session:
        """Excite an actuator from the plant's next sample on; the session that was on ends.

        Args:
            plant_id: The plant.
            stream: The stream that should show the answer.
            spec: A command that takes a number.
            share: Amplitude as a share of the command's range.
            nonce: Hexadecimal; drawn here if empty.
            commissioning: Whether it only serves to learn how the process answers.

        Raises:
            ChallengeError: If the share is too large or the nonce too short.
            OperationError: If the nonce was used before.
        """
        plant = self._find_plant(plant_id)
        drawn = nonce or secrets.token_hex(_NONCE_BYTES)
        if any(known.nonce == drawn for known in self.sessions(plant_id)):
            raise OperationError(f"nonce {drawn[:40]} was used before", hint="draw a new one")
        session = _session(plant, stream, spec, share, drawn, commissioning)
        # Whatever is wrong with it is said before anything is kept.
        self.challenge_of(session)
        self.end(plant_id)
        content = asdict(session) | {"id": 0, "stop_step": None}
        row = self._connection.execute(
            "INSERT INTO session (plant, stream, content) VALUES (?, ?, ?)",
            (plant_id, stream, json.dumps(content)),
        )
        return replace(session, id=int(row.lastrowid or 0))

    def end(self, plant_id: str) -> Session | None:
        """End the excitation of a plant and give its actuator back; None if none was on."""
        session = self.current(plant_id)
        if session is None:
            return None
        plant = self._find_plant(plant_id)
        self._connection.execute("UPDATE session SET stop_step = ? WHERE id = ?", (plant.step, session.id))
        self._release(plant)
        return replace(session, stop_step=plant.step)

    def current(self, plant_id: str) -> Session | None:
        """The session that is on, None if there is none."""
        return next((known for known in self.sessions(plant_id) if known.stop_step is None), None)

    def sessions(self, plant_id: str = "", *, stream: str = "") -> list[Session]:
        """Sessions of a plant or on a stream, oldest first."""
        rows = self._connection.execute(
            "SELECT id, content, stop_step FROM session WHERE plant = ? OR stream = ? ORDER BY id",
            (plant_id, stream),
        )
        return [
            Session(**(json.loads(content) | {"id": number, "stop_step": stop}))
            for number, content, stop in rows
        ]

    def challenge_of(self, session: Session) -> Challenge:
        """The secret excitation of a session.

        Raises:
            ChallengeError: If its terms are impossible.
        """
        secret = hmac.new(self._secret, _SECRET_CONTEXT + session.plant.encode(), hashlib.sha256).digest()
        return Challenge.from_secret(
            secret, bytes.fromhex(session.nonce), session.actuator,
            start_ns=session.start_ns, interval_s=session.interval_s,
        )  # fmt: skip

    def advance(self, plant_id: str, steps: int) -> Frame:
        """Run a plant; where a session is on, its actuator is excited at every sample."""
        plant, session = self._find_plant(plant_id), self.current(plant_id)
        if session is None:
            return plant.advance(steps)
        first, start = plant.step, plant.step
        excitation = self.challenge_of(session).excitation(start - session.start_step, steps)
        self._hold_steady(plant, session)
        done = 0
        while done < steps:
            high = bool(excitation[done] > 0)
            run = next((k for k in range(done, steps) if bool(excitation[k] > 0) != high), steps) - done
            self._set(plant, session, high=high)
            plant.advance(run)
            done += run
        return plant.telemetry(first)

    def learn(self, session: Session, answer: Frame) -> "WatermarkModel":
        """Fit and keep how the process answers, from the telemetry of a commissioning session.

        Raises:
            WatermarkFitError: If it is too short or the process does not answer.
        """
        from industriverse.eil.proof.watermark import WatermarkModel

        model = WatermarkModel.fit(answer, self.challenge_of(session))
        model.save(self._model_path(session.stream, session.actuator))
        return model

    def model(self, session: Session) -> "WatermarkModel | None":
        """How the process answers the actuator of a session, None if that was not learned."""
        from industriverse.eil.proof.watermark import WatermarkModel

        path = self._model_path(session.stream, session.actuator)
        return WatermarkModel.load(path) if path.exists() else None

    def watermark(self, stream: str, window: Frame) -> "Watermark | None":
        """The challenge that was on during a whole window, with the model that tells an answer.

        Raises:
            OperationError: If a challenge was on during a part of the window.
        """
        from industriverse.eil.proof.watermark import Watermark

        begin, end = int(window.timestamps_ns[0]), int(window.timestamps_ns[-1])
        for session in reversed(self.sessions(stream=stream)):
            stop_ns = session.stop_ns
            if session.start_ns > end or (stop_ns is not None and stop_ns <= begin):
                continue
            model = self.model(session)
            if model is None:
                return None
            if session.start_ns > begin or (stop_ns is not None and stop_ns <= end):
                raise OperationError(
                    f"a challenge on {session.target} began or ended inside the window "
                    f"(it began at {time_text(session.start_ns)})",
                    hint="prove a window that lies wholly inside or wholly outside the challenge",
                )
            return Watermark(model, self.challenge_of(session))
        return None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _model_path(self, stream: str, actuator: Actuator) -> Path:
        # Names come from callers; a digest means nothing to the file system and is never too long for it.
        key = hashlib.sha256(json.dumps([stream, actuator.name]).encode()).hexdigest()[:32]
        return self._folder / f"{key}.watermark.json"

    @staticmethod
    def _hold_steady(plant: JournaledPlant, session: Session) -> None:
        lower = session.steady - session.actuator.amplitude
        plant.apply(Command(f"challenge-{session.id}-low", session.verb, session.target, lower))

    @staticmethod
    def _set(plant: JournaledPlant, session: Session, *, high: bool) -> None:
        """Let the upper setting hold, or take it back so that the lower one does."""
        prefix = f"challenge-{session.id}-high-"
        active = [command.id for command in plant.active_commands() if command.id.startswith(prefix)]
        if high and not active:
            upper = session.steady + session.actuator.amplitude
            plant.apply(Command(f"{prefix}{plant.step}", session.verb, session.target, upper))
        elif not high:
            for command_id in active:
                plant.revert(command_id)

    @staticmethod
    def _release(plant: JournaledPlant) -> None:
        for command in plant.active_commands():
            if command.id.startswith("challenge-"):
                plant.revert(command.id)


def _session(
    plant: JournaledPlant, stream: str, spec: CommandSpec, share: float, nonce: str, commissioning: bool
) -> Session:
    """A session around the actuator's present setting, moved inward where the range leaves no room."""
    if spec.minimum is None or spec.maximum is None or not spec.reversible:
        raise OperationError(
            f"{spec.verb} {spec.target} takes no number or cannot be taken back",
            hint="excite an actuator with a continuous setting",
        )
    present = [
        float(command.value)
        for command in plant.active_commands()
        if (command.verb, command.target) == (spec.verb, spec.target)
        and isinstance(command.value, int | float)
        and not command.id.startswith("challenge-")
    ]
    amplitude = share * (spec.maximum - spec.minimum)
    steady = min(
        max(present[-1] if present else spec.maximum, spec.minimum + amplitude), spec.maximum - amplitude
    )
    step_ns = round(plant.interval_s * NANOSECONDS_PER_SECOND)
    return Session(
        0, plant.plant_id, stream, spec.verb, spec.target, spec.minimum, spec.maximum, share, steady, nonce,
        commissioning, plant.step, plant.spec.start_ns + plant.step * step_ns, plant.interval_s,
    )  # fmt: skip


def find_actuator(plant: JournaledPlant, target: str | None) -> CommandSpec:
    """The continuous actuator of a plant by its target, or the only one.

    Raises:
        NotFoundError: If there is none, or several and no target is named.
    """
    fitting = [
        spec
        for spec in plant.commands()
        if spec.minimum is not None and spec.reversible and target in (None, spec.target)
    ]
    if len(fitting) == 1:
        return fitting[0]
    every = [spec.target for spec in plant.commands() if spec.minimum is not None and spec.reversible]
    raise NotFoundError(
        f"actuator {target[:80]!r} is not continuous" if target else f"{len(every)} actuators are continuous",
        hint=f"name one of: {', '.join(every) or 'none, this plant has only switches'}",
    )
