"""The bytes of a row: published vectors, the same from an implementation that shares no code, and no two rows alike."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.budget.entry.rules import GENESIS, Entry, canonical, leaf_of, link
from services.budget.evidence.rules import HEADER, line_of
from tests.unit.budget.published import VECTORS, VERIFIER, published, vectors

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MAYBE = st.none() | TEXT
ENTRIES = st.builds(
    Entry,
    seq=st.integers(1, 2**63 - 1),
    outcome=TEXT,
    voucher=MAYBE,
    leg=st.integers(1, 99),
    kind=TEXT,
    dr=MAYBE,
    cr=MAYBE,
    amount_fen=st.integers(1, 2**63 - 1),
    fiscal_year=st.integers(2000, 2999),
    origin_year=st.integers(2000, 2999),
    line_id=MAYBE,
    jurisdiction_id=MAYBE,
    application_id=st.none() | st.uuids(),
    proposal_id=st.none() | st.uuids(),
    policy_version=TEXT,
    funding_source=TEXT,
    document=TEXT,
    expenditure_category=MAYBE,
    maker=MAYBE,
    checker=MAYBE,
    approver=MAYBE,
    reverses_seq=st.none() | st.integers(1, 2**63 - 1),
    reason=MAYBE,
    booked_at=st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone comes with `timezones`
    effective_on=st.dates(),
    caller=TEXT,
    key=TEXT,
    item=st.integers(0, 2**31 - 1),
    fingerprint=st.binary(max_size=40),
)


def test_rows_have_the_bytes_leaves_and_chain_that_were_published() -> None:
    chain, found = GENESIS, []

    for entry in published():
        chain = link(chain, leaf=leaf_of(entry))
        found.append({"seq": entry.seq, "canonical": canonical(entry).hex(), "leaf": leaf_of(entry).hex(), "chain": chain.hex()})

    assert found == vectors()


def test_the_journal_is_exported_as_it_was_published() -> None:
    chains = [bytes.fromhex(vector["chain"]) for vector in vectors()]

    exported = HEADER + "".join(line_of(entry, chain=chain) for entry, chain in zip(published(), chains, strict=True))

    assert exported == (VECTORS / "journal.ndjson").read_text(encoding="utf-8")


def test_the_offline_verifier_agrees_with_the_published_rows() -> None:
    verified = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), str(VECTORS / "journal.ndjson")], capture_output=True, text=True, check=False
    )

    assert verified.stderr == ""
    assert f"12 rows; chain {vectors()[-1]['chain']}" in verified.stdout


@given(ENTRIES, ENTRIES)
def test_two_different_rows_never_have_the_same_bytes(one: Entry, other: Entry) -> None:
    assume(one != other)

    assert canonical(one) != canonical(other)


@given(ENTRIES, st.data())
def test_a_row_that_differs_in_one_field_has_other_bytes(entry: Entry, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(Entry._fields))
    other = data.draw(ENTRIES)
    assume(getattr(entry, name) != getattr(other, name))

    changed = entry._replace(**{name: getattr(other, name)})

    assert canonical(changed) != canonical(entry)


@pytest.mark.parametrize(("one", "other"), [(None, ""), ("ab", "a"), (None, "None")])
def test_nothing_and_an_empty_or_shifted_text_are_told_apart(one: str | None, other: str | None) -> None:
    entry = published()[0]

    assert canonical(entry._replace(dr=one, cr="c")) != canonical(entry._replace(dr=other, cr="bc"))
