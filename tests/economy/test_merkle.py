"""The tree is that of RFC 9162, and nothing but the truth can be proved in it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from industriverse.economy import merkle

# Leaves and roots of the tests of Certificate Transparency's reference implementation (Apache-2.0),
# https://github.com/google/certificate-transparency, merkletree.
CT_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(bytes.fromhex(text)) for text in CT_LEAVES]
MANY = [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(600)]


def root_of(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:])).digest()


def many(start: int, end: int) -> bytes:
    return merkle.fold(MANY[start:end])


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_the_reference_implementation(size: int) -> None:
    assert merkle.fold(LEAVES[:size]).hex() == CT_ROOTS[size - 1]


def test_the_paths_are_those_of_the_reference_implementation() -> None:
    def subtree(start: int, end: int) -> bytes:
        return merkle.fold(LEAVES[start:end])

    assert [node.hex() for node in merkle.prove_inclusion(5, 8, subtree)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert [node.hex() for node in merkle.prove_consistency(6, 8, subtree)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


@given(st.integers(0, 600))
def test_folding_and_growing_give_the_root_of_the_definition(size: int) -> None:
    frontier = merkle.Frontier()
    for leaf in MANY[:size]:
        frontier.append(leaf)
    assert merkle.fold(MANY[:size]) == root_of(MANY[:size]) == frontier.root()


def test_a_growing_tree_hands_out_each_complete_tile_once() -> None:
    frontier = merkle.Frontier()
    done = [tile for leaf in MANY for tile in frontier.append(leaf)]
    assert done == [(1, 0, merkle.fold(MANY[:256])), (1, 1, merkle.fold(MANY[256:512]))]


@given(st.data())
def test_every_leaf_can_be_proved_and_no_other_in_its_place(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    path = merkle.prove_inclusion(index, size, many)
    root = many(0, size)
    assert merkle.verify_inclusion(index, size, MANY[index], path, root)
    other = data.draw(st.integers(0, 599).filter(lambda number: number != index))
    assert not merkle.verify_inclusion(index, size, MANY[other], path, root)
    assert not merkle.verify_inclusion(other, size, MANY[index], path, root)
    assert not merkle.verify_inclusion(index, size, MANY[index], (*path, root), root)
    if path:
        assert not merkle.verify_inclusion(index, size, MANY[index], path[:-1], root)
        flipped = data.draw(st.integers(0, len(path) - 1))
        bent = [bytes([node[0] ^ 1]) + node[1:] if n == flipped else node for n, node in enumerate(path)]
        assert not merkle.verify_inclusion(index, size, MANY[index], bent, root)


@given(st.data())
def test_growth_can_be_proved_and_a_changed_past_cannot(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 600))
    old = data.draw(st.integers(1, new))
    path = merkle.prove_consistency(old, new, many)
    assert merkle.verify_consistency(old, new, path, many(0, old), many(0, new))
    changed = list(MANY[:new])
    changed[data.draw(st.integers(0, old - 1))] = merkle.leaf_hash(b"another past")

    def forged(start: int, end: int) -> bytes:
        return merkle.fold(changed[start:end])

    forgery = merkle.prove_consistency(old, new, forged)
    assert not merkle.verify_consistency(old, new, forgery, many(0, old), forged(0, new))
    assert not merkle.verify_consistency(old, new, path, forged(0, old), many(0, new))
    assert not merkle.verify_consistency(old, new, (*path, MANY[0]), many(0, old), many(0, new))


def test_edges_of_consistency_are_decided_without_a_proof() -> None:
    assert merkle.verify_consistency(0, 3, (), merkle.EMPTY_ROOT, many(0, 3))
    assert merkle.verify_consistency(3, 3, (), many(0, 3), many(0, 3))
    assert not merkle.verify_consistency(0, 3, (), many(0, 1), many(0, 3))
    assert not merkle.verify_consistency(3, 3, (), many(0, 3), many(0, 4))
    assert not merkle.verify_consistency(4, 3, (), many(0, 4), many(0, 3))
    assert not merkle.verify_consistency(2, 3, (), many(0, 2), many(0, 3))
