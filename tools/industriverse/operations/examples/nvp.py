"""Questions for the nvp toolset."""

from typing import Final

from industriverse.operations.examples import asked

__all__ = ["FORECAST"]

FORECAST: Final = asked(
    "Where will the tank levels be in six hours?",
    "Forecast the water network for the next 6 hours",
    "forecast tank 1 level",
    "what will the pressure at junction 123 be in two hours",
    "predict the flow of pump 335",
    "how will the level of tank 2 develop",
    "will tank 3 run empty",
    "Will the tank overflow tonight?",
    "expected outflow of tank 1 tomorrow",
    "what happens next on the water network",
    "prediction for the next day",
    "next vector prediction for water",
    "level in tank 1 in 3 h",
    "pressure outlook for the coming hours",
    "how high will tank 2 be in 12 hours",
    "what power will pump 10 draw in an hour",
    "how certain is the forecast of tank 1",
    "90 % interval of the pressure in 4 hours",
    "where is tank 1 heading",
    "is the pressure going to drop",
    "future state of water",
    "what is the level of tank 1 now",
    "current pressure at junction 123",
    "latest reading of pump 335",
    "how much will pump 335 deliver in an hour",
    "what is the flow through valve 330 at the moment",
    "will junction 113 fall below 30 psi in 4 hours",
    "will the pressure stay above 3 bar",
    "tank levels tomorrow",
    "flow of valve 330",
    "power of pump 10",
    "pressure junction 35",
    "level tank 2",
    "how full is tank 1",
    "how full will tank 3 be tonight",
    "value of tank-1.level",
    "what does the sensor of tank 2 show",
    "when will tank 1 be empty",
    "next hours at tank 3",
    "expected development until midnight",
    stream="water",
    horizon_hours=6.0,
)
