"""The Merkle tree of the journal against the definitions of RFC 6962, and proofs checked as RFC 9162 says."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.budget.checkpoint.rules import (
    HashOf,
    Node,
    children_of,
    consistency_path,
    fold,
    inclusion_path,
    nodes_needed,
    parent_of,
    root_of,
    whole_nodes,
)

SIZES = st.integers(1, 1_500)


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"\x00" + number.to_bytes(4, "big")).digest()


LEAVES = [leaf(number) for number in range(70_000)]


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return parent_of(defined_root(leaves[:k]), right=defined_root(leaves[k:]))


def stored(size: int) -> HashOf:
    """As the database has it: leaves and every eighth level of whole subtrees."""
    hashes = {Node(0, index): LEAVES[index] for index in range(size)}
    for node in whole_nodes(0, after=size):
        level, first, count = children_of(node)
        hashes[node] = fold([hashes[Node(level, index)] for index in range(first, first + count)])
    return hashes.__getitem__


HASH_OF = stored(1_500)


def root_by_inclusion(index: int, *, size: int, path: Sequence[bytes]) -> bytes:
    """RFC 9162 2.1.3.2."""
    fn, sn, r = index, size - 1, LEAVES[index]
    for p in path:
        assert sn != 0, "the path is too long"
        if fn & 1 or fn == sn:
            r = parent_of(p, right=r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = parent_of(r, right=p)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "the path is too short"
    return r


def roots_by_consistency(first: int, *, second: int, first_root: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """RFC 9162 2.1.4.2."""
    nodes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = nodes[0]
    for c in nodes[1:]:
        assert sn != 0, "the path is too long"
        if fn & 1 or fn == sn:
            fr, sr = parent_of(c, right=fr), parent_of(c, right=sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = parent_of(sr, right=c)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "the path is too short"
    return fr, sr


@given(SIZES)
def test_the_root_is_that_of_the_definition(size: int) -> None:
    assert root_of(size, hash_of=HASH_OF) == defined_root(LEAVES[:size])


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert root_of(0, hash_of=HASH_OF) == hashlib.sha256(b"").digest()


@given(SIZES, st.data())
def test_an_inclusion_path_leads_from_its_leaf_to_the_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))

    path = inclusion_path(index, size=size, hash_of=HASH_OF)

    assert root_by_inclusion(index, size=size, path=path) == defined_root(LEAVES[:size])


@settings(max_examples=50)
@given(st.integers(2, 1_500), st.data())
def test_an_inclusion_path_leads_from_no_other_leaf_to_the_root(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, size=size, hash_of=HASH_OF)

    other = (index + 1) % size

    try:
        found = root_by_inclusion(other, size=size, path=path)
    except AssertionError:
        return
    assert found != defined_root(LEAVES[:size])


@given(SIZES, st.data())
def test_a_consistency_path_leads_to_both_roots(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second - 1)) if second > 1 else 1
    if first == second:
        assert consistency_path(first, second=second, hash_of=HASH_OF) == []
        return

    path = consistency_path(first, second=second, hash_of=HASH_OF)

    first_root, second_root = defined_root(LEAVES[:first]), defined_root(LEAVES[:second])
    assert roots_by_consistency(first, second=second, first_root=first_root, path=path) == (first_root, second_root)


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 70_000])
def test_of_a_large_tree_a_proof_reads_some_hundred_nodes(size: int) -> None:
    hash_of = stored(size)

    needed = nodes_needed(lambda note: inclusion_path(size // 3, size=size, hash_of=note))

    path = inclusion_path(size // 3, size=size, hash_of=hash_of)
    assert root_by_inclusion(size // 3, size=size, path=path) == defined_root(LEAVES[:size])
    assert len(needed) < 3 * 256


@given(SIZES, SIZES)
def test_growing_in_two_steps_stores_the_nodes_of_one(one: int, other: int) -> None:
    middle, end = sorted((one, other))

    in_two = [*whole_nodes(0, after=middle), *whole_nodes(middle, after=end)]

    assert sorted(in_two) == sorted(whole_nodes(0, after=end))
