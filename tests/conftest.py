"""What holds for the whole suite: in which order files are handed to the processes that run it."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests marked ``slow`` first: a long file that began last would keep one process waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
