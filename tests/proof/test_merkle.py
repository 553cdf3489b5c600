"""Merkle trees: the same as the RFC defines, for every size and every leaf."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.proof.merkle import EMPTY_ROOT, Frontier, audit_path, leaf_hash, root_from_path, root_of

LEAVES = [leaf_hash(bytes([number])) for number in range(70)]

# the tree of Certificate Transparency's own tests, as every implementation knows it
KNOWN_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root_by_the_book(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\x01" + root_by_the_book(leaves[:split]) + root_by_the_book(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_the_known_tree_has_the_known_roots(size: int) -> None:
    assert root_of(leaf_hash(bytes.fromhex(leaf)) for leaf in KNOWN_LEAVES[:size]).hex() == KNOWN_ROOTS[size - 1]


@pytest.mark.parametrize("size", range(70))
def test_a_tree_of_any_size_has_the_root_of_the_book(size: int) -> None:
    assert root_of(LEAVES[:size]) == root_by_the_book(LEAVES[:size])


def test_an_empty_tree_has_a_root_too() -> None:
    assert root_of([]) == EMPTY_ROOT == root_by_the_book([])


@given(st.lists(st.integers(0, 20), max_size=6))
def test_however_it_grew_the_tree_is_the_same(steps: list[int]) -> None:
    frontier, leaves = Frontier(), [leaf_hash(str(number).encode()) for number in range(sum(steps))]
    for number, step in enumerate(steps):
        frontier.extend(leaves[sum(steps[:number]) :][:step])
    assert frontier.root() == root_of(leaves)
    assert len(frontier.peaks) == frontier.size.bit_count()


@pytest.mark.parametrize("size", range(1, 40))
def test_every_path_leads_to_the_root(size: int) -> None:
    leaves = LEAVES[:size]
    for index in range(size):
        path = audit_path(leaves, index)
        assert root_from_path(leaves[index], index=index, size=size, path=path) == root_of(leaves)


@given(st.data())
def test_no_other_leaf_place_size_or_path_leads_there(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]
    path, root = audit_path(leaves, index), root_of(leaves)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    assert root_from_path(leaves[other], index=index, size=size, path=path) != root
    assert root_from_path(leaves[index], index=other, size=size, path=path) != root
    assert root_from_path(leaves[index], index=index, size=size, path=path[:-1]) != root
    assert root_from_path(leaves[index], index=index, size=size, path=[*path, path[0]]) != root
    broken = [bytes(32) if number == 0 else sibling for number, sibling in enumerate(path)]
    assert root_from_path(leaves[index], index=index, size=size, path=broken) != root


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_place_outside_the_tree_has_no_path(index: int, size: int) -> None:
    assert root_from_path(LEAVES[0], index=index, size=size, path=[]) is None
    with pytest.raises(IndexError):
        audit_path(LEAVES[:size], index)
