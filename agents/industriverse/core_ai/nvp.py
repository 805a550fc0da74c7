"""Next Vector Prediction under its stable import path."""

from industriverse.nvp.service import FieldQuestion, FieldStream, NVPPredictor

__all__ = ["FieldQuestion", "FieldStream", "NVPPredictor"]
