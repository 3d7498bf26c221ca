"""The books that are filled in beforehand: they re-add, the product's writer goes on from them, and what is wrong with them is no measurement."""

from itertools import islice
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio

from services.budget.entry.rules import GENESIS, Books
from services.budget.evidence.rules import line_of
from tests.load import ledger_growth, ledger_verify
from tests.load.approvals import APPLICATION, ORDER, PROPOSAL, VERSION, Approvals, id_in_sql, id_of
from tests.load.figures import NoMeasurement
from tests.load.ledger import YARDSTICK, Bench, appropriate_plenty, check_chain, counted, readd, value
from tests.load.ledger_client import Report
from tests.load.ledger_fill import filled
from tests.load.ledger_growth import growth_of, verify
from tests.load.ledger_orders import approved
from tests.load.yardstick_orders import create_app
from tests.runtime import Database

ROWS = 30


@pytest_asyncio.fixture
async def books(database: Database) -> Bench:
    """With reservations, each of them with a checked order."""
    bench = Bench(admin_url=database.urls["postgres"], budget_url=database.sqlalchemy_url("budget"))
    await execute(bench, YARDSTICK.read_text(encoding="utf-8"))
    await appropriate_plenty(bench)
    return await filled(bench, rows=ROWS, with_orders=True)


async def execute(bench: Bench, statement: str) -> None:
    connection = await asyncpg.connect(bench.admin_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def report(*, done: int, seconds: float = 1.0) -> Report:
    return Report(done=done, seconds=seconds, p99_ms=1.0, cpu_share=0.5)


async def test_filled_books_re_add_and_the_writer_goes_on_from_them(books: Bench) -> None:
    await readd(books, name="filled")

    reported = await counted(books, "writer", seconds=0.2)

    assert await value(books, "SELECT last_seq FROM budget.head") == books.filled_seq + reported.done
    assert await value(books, "SELECT last_number FROM budget.voucher_counter WHERE kind = 'reserve'") == ROWS + reported.done


async def test_books_that_have_reservations_are_not_filled_again(books: Bench) -> None:
    with pytest.raises(NoMeasurement, match="have reservations already"):
        await filled(books, rows=ROWS)


async def test_books_that_do_not_re_add_are_no_measurement(books: Bench) -> None:
    await execute(books, f"UPDATE budget.reservation SET amount_fen = amount_fen + 1 WHERE application_id = '{id_of(1, role=APPLICATION)}'")

    with pytest.raises(NoMeasurement, match="1 balances are not what the journal adds up to"):
        await readd(books, name="filled")


async def test_a_row_that_is_not_chained_to_the_last_filled_one_is_no_measurement(books: Bench) -> None:
    await counted(books, "writer", seconds=0.1)
    await execute(books, "ALTER TABLE budget.journal DISABLE TRIGGER journal_append_only")
    await execute(books, f"UPDATE budget.journal SET chain = sha256('x') WHERE seq = {books.filled_seq}")

    with pytest.raises(NoMeasurement, match="1 rows are not chained"):
        await check_chain(books, name="filled")


@pytest.mark.parametrize("role", [APPLICATION, PROPOSAL, ORDER])
async def test_an_id_is_the_same_in_sql(database: Database, role: int) -> None:
    connection = await asyncpg.connect(database.urls["postgres"])
    try:
        found = await connection.fetchval(f"SELECT {id_in_sql(role=role)} FROM (VALUES (31000)) AS v (n)")
    finally:
        await connection.close()

    assert found == id_of(31_000, role=role)


async def test_the_yardstick_orders_each_payment_once_and_its_books_re_add(books: Bench) -> None:
    app = create_app(books.budget_url.replace("+asyncpg", ""))
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://yardstick.test") as client:
        answers = [await client.post(f"/payment-orders/{id_of(number, role=ORDER)}/approve") for number in (1, 2, 2, ROWS + 1)]

    assert [answer.status_code for answer in answers] == [200, 200, 409, 409]
    assert answers[1].json() == {
        "id": str(id_of(2, role=ORDER)),
        "state": "in_transit",
        "bank_reference": "PO-2025-000002",
        "version": VERSION + 1,
    }
    assert await approved(books) == 2
    await readd(books, name="yardstick")


def test_each_approval_names_an_order_of_its_own_under_a_key_of_its_own() -> None:
    series = Approvals(name="orders-0", first=101, token="a-token")

    requests = [series.request(number, host="localhost", path="/v1/payment-orders/{order_id}:approve", key=None) for number in range(50)]

    lines = [request.decode().split("\r\n") for request in requests]
    assert lines[0][0] == f"POST /v1/payment-orders/{id_of(101, role=ORDER)}:approve HTTP/1.1"
    assert len({each[0] for each in lines}) == 50
    assert len({line for each in lines for line in each if line.startswith("idempotency-key")}) == 50
    assert all('if-match: "2"' in each and "authorization: Bearer a-token" in each and each[-2:] == ["", ""] for each in lines)


def test_the_yardstick_is_sent_no_token() -> None:
    request = Approvals(name="yardstick-0", first=1, token=None).request(0, host="localhost", path="/x/{order_id}", key=None)

    assert b"authorization" not in request


def test_growth_is_how_many_times_as_long_a_reservation_takes_beside_the_big_journal() -> None:
    small, big = [report(done=300), report(done=100)], [report(done=200), report(done=120)]

    figure = growth_of(small, big, small_rows=10, big_rows=1_000)

    assert figure.value == 1.25
    assert figure.document()["met"] is False
    assert "200 against 300, 120 against 100 reservations a second" in figure.limited_by


def test_a_row_is_written_as_the_export_writes_it() -> None:
    books = Books(seq=0, chain=GENESIS, booked_at=ledger_verify.START, numbers={})

    written = [each for batch in islice(ledger_verify.batches(), 2) for each in books.write(batch)]

    assert {each.entry.kind for each in written} == {"appropriate", "allot", "reserve", "order", "confirm"}
    assert all(ledger_verify.line_of_written(each) == line_of(each.entry, chain=each.chain) for each in written)


async def test_the_verifier_is_timed_over_every_row_of_the_export(tmp_path: Path) -> None:
    await ledger_growth.write_export(tmp_path, rows=ROWS)

    verified = await verify(ledger_verify.journal_in(tmp_path), rows=ROWS)

    assert verified.seconds > 0


async def test_a_verifier_that_saw_another_number_of_rows_is_no_measurement(tmp_path: Path) -> None:
    await ledger_growth.write_export(tmp_path, rows=ROWS)

    with pytest.raises(NoMeasurement, match=f"was given {ROWS + 1} rows and says: GOOD .* {ROWS} rows"):
        await verify(ledger_verify.journal_in(tmp_path), rows=ROWS + 1)


async def test_an_export_that_is_not_good_is_no_measurement(tmp_path: Path) -> None:
    await ledger_growth.write_export(tmp_path, rows=ROWS)
    journal = ledger_verify.journal_in(tmp_path)
    journal.write_text(journal.read_text(encoding="utf-8").replace(",100,2025,", ",101,2025,", 1), encoding="utf-8")

    with pytest.raises(NoMeasurement, match=r"verify\.py ended with 1: BAD"):
        await verify(journal, rows=ROWS)
