"""The pictures in the documentation are those of the graphs that run."""

from pathlib import Path

import pytest

from industriverse.graphs.runtime import graph_picture
from industriverse.operations.agents import GRAPHS, GraphName

PAGE = Path(__file__).parents[2] / "docs" / "agents.md"


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_documentation_shows_the_graph_that_runs(graph: GraphName) -> None:
    assert graph_picture(graph).strip() in PAGE.read_text()
