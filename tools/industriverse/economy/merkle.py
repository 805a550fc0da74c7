"""The Merkle tree of RFC 9162, section 2.1: roots, inclusion proofs and consistency proofs.

Pure functions over hashes; where the hashes are kept is the caller's business (:class:`Subtree`).
No library is used: of those for Python that follow the RFC, ``pymerkle`` is under the GPL and the others are
months old or hold the tree in memory.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

__all__ = [
    "EMPTY_ROOT",
    "TILE",
    "Frontier",
    "Subtree",
    "fold",
    "leaf_hash",
    "node_hash",
    "prove_consistency",
    "prove_inclusion",
    "verify_consistency",
    "verify_inclusion",
]

# RFC 9162, 2.1.1: the root of no leaves is the hash of nothing.
EMPTY_ROOT = hashlib.sha256(b"").digest()
# Leaves under one kept node, and kept nodes under the next: a proof reads a few hundred hashes, and keeping
# the tree costs one row in 255. The same width as https://c2sp.org/tlog-tiles.
TILE = 256


class Subtree(Protocol):
    """Hash of the complete or rightmost subtree over leaves ``start`` to ``end`` (not included)."""

    def __call__(self, start: int, end: int, /) -> bytes:
        """Hash over the leaves from ``start`` up to ``end``."""
        ...


def leaf_hash(content: bytes) -> bytes:
    """Hash of a leaf. The prefix keeps a leaf from being taken for an inner node."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over hashes of leaves, or of equal complete subtrees of which the last may be smaller."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        # An odd last node moves up unchanged: that is the RFC's split at the largest power of two.
        paired = [node_hash(level[index], level[index + 1]) for index in range(0, len(level) - 1, 2)]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def _split(start: int, end: int) -> int:
    # The largest power of two that is smaller than the number of leaves.
    return start + (1 << ((end - start - 1).bit_length() - 1))


def prove_inclusion(index: int, size: int, subtree: Subtree) -> tuple[bytes, ...]:
    """Path from leaf ``index`` to the root over ``size`` leaves (RFC 9162, 2.1.3.1); 0 <= index < size."""
    start, end, path = 0, size, []
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            path.append(subtree(split, end))
            end = split
        else:
            path.append(subtree(start, split))
            start = split
    return tuple(reversed(path))


def prove_consistency(old: int, new: int, subtree: Subtree) -> tuple[bytes, ...]:
    """Proof that the first ``old`` of ``new`` leaves are unchanged (RFC 9162, 2.1.4.1); 0 < old <= new."""
    start, end, path = 0, new, []
    known = True
    while end != old:
        split = _split(start, end)
        if old <= split:
            path.append(subtree(split, end))
            end = split
        else:
            path.append(subtree(start, split))
            start, known = split, False
    if not known:
        path.append(subtree(start, end))
    return tuple(reversed(path))


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf's hash is number ``index`` (from 0) of ``size`` under ``root`` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            result = node_hash(sibling, result)
            # A node that moved up unchanged has no sibling on the levels in between.
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and result == root


def verify_consistency(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether the tree under ``new_root`` only appends to that under ``old_root`` (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    # A complete old tree is a node of the new one and is left out of the proof.
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, node)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


class Frontier:
    """The right edge of a growing tree: its root and the nodes worth keeping, in logarithmic memory."""

    def __init__(self) -> None:
        self.size = 0
        self._nodes: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf's hash; returns the tiles that it completes: level, index and hash of each."""
        self.size += 1
        height, node, done = 0, leaf, []
        while self._nodes and self._nodes[-1][0] == height:
            node = node_hash(self._nodes.pop()[1], node)
            height += 1
            if height % _TILE_HEIGHT == 0:
                done.append((height // _TILE_HEIGHT, (self.size >> height) - 1, node))
        self._nodes.append((height, node))
        return done

    def root(self) -> bytes:
        """Root over the leaves so far."""
        if not self._nodes:
            return EMPTY_ROOT
        result = self._nodes[-1][1]
        for _, node in reversed(self._nodes[:-1]):
            result = node_hash(node, result)
        return result


_TILE_HEIGHT = TILE.bit_length() - 1
