"""The Merkle log over the ledger's transactions, read from and kept in its database.

Leaf number n (from 0) is the hash of transaction n + 1, as raw bytes; it covers content, entries and chain.
"""

from sqlalchemy import Connection, insert, select

from industriverse.economy import schema
from industriverse.economy.merkle import TILE, fold, leaf_hash

__all__ = ["leaf_of", "seal", "subtree"]


def leaf_of(transaction_hash: str) -> bytes:
    """Hash of the leaf of a transaction."""
    return leaf_hash(bytes.fromhex(transaction_hash))


def subtree(connection: Connection, start: int, end: int) -> bytes:
    """Hash over leaves ``start`` to ``end`` (not included), where ``start`` is aligned as in any proof.

    Kept nodes are used where they are; what is missing is computed from below.
    """
    level, width = 0, 1
    while end - start > width * TILE:
        level, width = level + 1, width * TILE
    whole = (end - start) // width
    nodes = _nodes(connection, level, start // width, start // width + whole)
    rest = start + whole * width
    if rest < end:
        nodes.append(subtree(connection, rest, end))
    return fold(nodes)


def _nodes(connection: Connection, level: int, first: int, last: int) -> list[bytes]:
    if level == 0:
        table = schema.transactions
        query = (
            select(table.c.hash).where(table.c.sequence.between(first + 1, last)).order_by(table.c.sequence)
        )
        return [leaf_of(text) for text in connection.execute(query).scalars()]
    tiles = schema.merkle_tiles
    query = select(tiles.c.place, tiles.c.hash).where(
        tiles.c.level == level, tiles.c.place >= first, tiles.c.place < last
    )
    kept = {row.place: bytes.fromhex(row.hash) for row in connection.execute(query)}
    return [
        kept[place]
        if place in kept
        else fold(_nodes(connection, level - 1, place * TILE, (place + 1) * TILE))
        for place in range(first, last)
    ]


def seal(connection: Connection, size: int) -> None:
    """Keep the nodes that become complete with leaf number ``size``; none for most."""
    level, width = 1, TILE
    while size % width == 0:
        place = size // width - 1
        node = fold(_nodes(connection, level - 1, place * TILE, (place + 1) * TILE))
        values = {"level": level, "place": place, "hash": node.hex()}
        connection.execute(insert(schema.merkle_tiles).values(values))
        level, width = level + 1, width * TILE
