"""Telemetry in: collectors of nine kinds behind one intake that counts every record and loses none silently."""

from industriverse.shield.telemetry.intake import Intake, IntakeCounts
from industriverse.shield.telemetry.records import DeadLetters, Record

__all__ = ["DeadLetters", "Intake", "IntakeCounts", "Record"]
