"""Next Vector Prediction under its stable import path."""

from industriverse.graphs.ace_agent import ACEAgent, AceVerdict
from industriverse.graphs.ace_questions import Goals
from industriverse.nvp.service import FieldQuestion, FieldStream, NVPPredictor

__all__ = ["ACEAgent", "AceVerdict", "FieldQuestion", "FieldStream", "Goals", "NVPPredictor"]
