"""Values as Bolt brings them, turned into those that the embedded engine would have given."""

from typing import Any

__all__ = ["plain"]


def plain(value: object) -> Any:
    """A value without types of the driver: zoned datetimes of Python, nodes and relations as mappings.

    Datetimes are cut to microseconds. Node and relation ids are those of the server.
    """
    from neo4j.graph import Node, Path, Relationship
    from neo4j.time import Date, DateTime, Duration, Time

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple) and not isinstance(value, Duration):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, DateTime | Date | Time):
        return value.to_native()
    if isinstance(value, Duration):
        return {"months": value.months, "days": value.days, "seconds": value.seconds}
    if isinstance(value, Node):
        return {"id": value.element_id, "labels": sorted(value.labels), "properties": plain(dict(value))}
    if isinstance(value, Relationship):
        ends = [node.element_id if node else None for node in value.nodes]
        return {
            "id": value.element_id,
            "start": ends[0],
            "end": ends[1],
            "type": value.type,
            "properties": plain(dict(value)),
        }
    if isinstance(value, Path):
        return {"nodes": plain(list(value.nodes)), "relationships": plain(list(value.relationships))}
    return str(value)
