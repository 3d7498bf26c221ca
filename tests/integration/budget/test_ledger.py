"""What the database itself refuses: changed entries, negative balances, missing signatures, writing past the one function."""

from datetime import date, timedelta

import asyncpg
import httpx
import pytest

from services.budget import policy
from services.budget.entry.commands import lock_books
from services.budget.ledger import commands
from services.budget.ledger.rules import Act, CaseMoney, Kind, Posting, Signers, appropriate, move
from shared.ids import new_id
from shared.live import Live
from tests.building import BUSINESS_NOW, fetch
from tests.integration.budget.acting import AUDITOR, assert_journal_readds
from tests.runtime import Database

(FUND,) = policy.current().funds


@pytest.mark.parametrize(
    "statement", ["UPDATE journal SET amount_fen = 1", "DELETE FROM journal", "TRUNCATE journal", "DELETE FROM reservation_history"]
)
async def test_nobody_alters_the_journal_not_even_its_owner(database: Database, live: Live, statement: str) -> None:
    await post(live, *money(100))
    before = await fetch(database, "SELECT * FROM journal", service="budget")

    for role, error in (("budget", asyncpg.InsufficientPrivilegeError), ("budget_owner", asyncpg.RestrictViolationError)):
        connection = await asyncpg.connect(database.urls[role])
        with pytest.raises(error):
            await connection.execute(statement)
        await connection.close()

    assert await fetch(database, "SELECT * FROM journal", service="budget") == before


@pytest.mark.parametrize(
    "statement",
    [
        'INSERT INTO journal SELECT (jsonb_populate_record(journal, \'{"seq": 3, "voucher": "AP-2025-000002"}\')).* FROM journal LIMIT 1',
        "UPDATE balance SET balance_fen = balance_fen + 1",
        "UPDATE head SET last_seq = 0",
        "UPDATE voucher_counter SET last_number = 0",
        "DELETE FROM balance",
        "UPDATE account_name SET side = 'cr'",
    ],
)
async def test_the_service_writes_the_books_through_the_function_alone(database: Database, live: Live, statement: str) -> None:
    await post(live, *money(100))
    connection = await asyncpg.connect(database.urls["budget"])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)

    await connection.close()
    await assert_journal_readds(database)


async def test_the_auditor_reads_the_books_but_neither_writes_nor_sees_account_numbers(database: Database, live: Live) -> None:
    await post(live, *money(100))
    connection = await asyncpg.connect(database.urls["auditor"])

    entries = await connection.fetchval("SELECT count(*) FROM journal")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT number_sealed FROM payee_account")
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
        await connection.execute("SELECT lock_books()")

    await connection.close()
    assert entries == 2


async def test_one_fen_more_than_there_is_cannot_be_posted(live: Live, database: Database) -> None:
    await post(live, *money(100))

    await post(live, moved(case(100), Kind.RESERVE))
    with pytest.raises(asyncpg.CheckViolationError, match="balance_not_negative"):
        await post(live, moved(case(1), Kind.RESERVE))

    await assert_journal_readds(database)


async def test_money_is_released_once(live: Live, database: Database) -> None:
    await post(live, *money(100))
    one = case(50)
    await post(live, moved(one, Kind.RESERVE), moved(case(50), Kind.RESERVE), moved(one, Kind.RELEASE))

    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="a case gives back what it does not hold"):
        await post(live, moved(one, Kind.RELEASE))

    await assert_journal_readds(database)


@pytest.mark.parametrize(
    ("signers", "constraint"),
    [
        (Signers(maker="a", checker="a", approver="c"), "journal_four_eyes"),
        (Signers(maker="a", checker="b", approver="b"), "journal_four_eyes"),
        (Signers(maker="a", checker="b", approver="a"), "journal_four_eyes"),
        (Signers(maker="a", checker="b"), "journal_order_signed"),
        (Signers(), "journal_order_signed"),
    ],
)
async def test_an_order_without_three_people_cannot_be_posted(live: Live, database: Database, signers: Signers, constraint: str) -> None:
    one = case(50)
    await post(live, *money(100), moved(one, Kind.RESERVE))

    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await post(live, moved(one, Kind.ORDER, signers=signers))
    await post(live, moved(one, Kind.ORDER, signers=Signers(maker="a", checker="b", approver="c")))

    await assert_journal_readds(database)


async def test_all_postings_of_a_call_are_written_or_none(live: Live, database: Database) -> None:
    await post(live, *money(100))

    with pytest.raises(asyncpg.CheckViolationError):
        await post(live, moved(case(60), Kind.RESERVE), moved(case(60), Kind.RESERVE))

    assert [row["last_seq"] for row in await fetch(database, "SELECT last_seq FROM head", service="budget")] == [2]


async def test_a_rolled_back_posting_leaves_no_gap_in_the_vouchers(live: Live, database: Database) -> None:
    await post(live, *money(100))
    await post(live, moved(case(10), Kind.RESERVE))
    with pytest.raises(RuntimeError):
        await post_and_fail(live, moved(case(10), Kind.RESERVE))

    vouchers = await post(live, moved(case(10), Kind.RESERVE))

    assert vouchers == ["RS-2025-000002"]
    await assert_journal_readds(database)


async def test_vouchers_are_numbered_by_kind_and_year(live: Live) -> None:
    await post(live, *money(100, fiscal_year=2024))

    vouchers = await post(live, *money(100), moved(case(10), Kind.RESERVE), moved(case(20), Kind.RESERVE))

    assert vouchers == ["AP-2025-000001", "AL-2025-000001", "RS-2025-000001", "RS-2025-000002"]


async def test_the_booking_time_never_runs_backwards(live: Live, database: Database) -> None:
    await post(live, *money(100), booked_after=timedelta(hours=1))

    await post(live, moved(case(10), Kind.RESERVE), booked_after=timedelta(0))

    rows = await fetch(database, "SELECT booked_at, effective_on FROM journal ORDER BY seq", service="budget")
    assert {row["booked_at"] for row in rows} == {BUSINESS_NOW + timedelta(hours=1)}
    assert {row["effective_on"] for row in rows} == {date(2025, 9, 15)}


async def test_a_snapshot_of_the_balances_holds_its_identity(client: httpx.AsyncClient, live: Live) -> None:
    await post(live, *money(100), moved(case(30), Kind.RESERVE))

    fund = (await client.get("/v1/ledger/balances", params={"fiscal_year": 2025}, auth=AUDITOR)).json()

    parts = fund["available_fen"] + fund["reserved_fen"] + fund["in_transit_fen"] + fund["paid_fen"]
    assert (fund["appropriated_fen"], parts, fund["as_of_seq"]) == (100, 100, 3)


async def test_the_journal_is_read_page_by_page_and_by_voucher(client: httpx.AsyncClient, live: Live) -> None:
    await post(live, *money(100), moved(case(30), Kind.RESERVE))

    first = (await client.get("/v1/ledger/entries", params={"limit": 2}, auth=AUDITOR)).json()
    rest = (await client.get("/v1/ledger/entries", params={"limit": 2, "cursor": first["next_cursor"]}, auth=AUDITOR)).json()
    one = (await client.get("/v1/ledger/entries", params={"voucher": "RS-2025-000001"}, auth=AUDITOR)).json()

    assert [row["seq"] for row in first["rows"] + rest["rows"]] == [1, 2, 3]
    assert [row["seq"] for row in one["rows"]] == [3]


async def post(live: Live, *postings: Posting, booked_after: timedelta = timedelta(0)) -> list[str]:
    async with live.transaction() as tx:
        await lock_books(tx)
        return await commands.post_entries(tx, postings, act=act(booked_after))


async def post_and_fail(live: Live, posting: Posting) -> None:
    async with live.transaction() as tx:
        await lock_books(tx)
        await commands.post_entries(tx, [posting], act=act())
        raise RuntimeError("after the posting")


def act(after: timedelta = timedelta(0)) -> Act:
    return Act(caller="test", key="1", fingerprint=b"1", at=BUSINESS_NOW + after, on=BUSINESS_NOW.date())


def money(amount_fen: int, *, fiscal_year: int = 2025) -> tuple[Posting, Posting]:
    return appropriate(FUND, fiscal_year=fiscal_year, amount_fen=amount_fen, document="d", effective_on=BUSINESS_NOW.date(), maker="m")


def case(amount_fen: int) -> CaseMoney:
    return CaseMoney(
        application_id=new_id(),
        proposal_id=new_id(),
        case_number="C-1",
        applicant_uscc="91990000MA0000015Q",
        fiscal_year=2025,
        line_id="2023-15/2",
        jurisdiction_id="huancui",
        amount_fen=amount_fen,
        policy_version="2023-15/lines/2@2023-06-12",
        funding_source="city_hr_industry_fund",
        expenditure_category="reward",
    )


def moved(money: CaseMoney, kind: Kind, *, signers: Signers = Signers()) -> Posting:  # noqa: B008
    return move(money, kind=kind, document="d", effective_on=BUSINESS_NOW.date(), signers=signers)
