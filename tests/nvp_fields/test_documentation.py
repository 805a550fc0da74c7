"""The page about forecasts runs."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "nvp.md"


def test_every_example_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), {})


def test_every_domain_is_on_the_page() -> None:
    from industriverse.nvp.solvers import DOMAINS

    page = PAGE.read_text(encoding="utf-8")
    assert [domain for domain in DOMAINS if f"`{domain}`" not in page] == []
