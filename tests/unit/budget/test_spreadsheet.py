"""Sheets in and out: the same cells, never a formula, and never more than can be read."""

import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from services.budget.spreadsheet import (
    CELL_CHARACTERS_MAX,
    COLUMNS_MAX,
    FILE_BYTES_MAX,
    ROWS_MAX,
    Format,
    FormulaFound,
    SheetTooLarge,
    SheetUnreadable,
    neutral,
    read_sheet,
    write_sheet,
)

MADE_AT = datetime(2025, 9, 15, 2, tzinfo=UTC)
ROWS: list[list[str | Decimal]] = [["户名", "账号", "金额"], ["示例人力资源有限公司", "6200000000000000001", Decimal("30000.50")]]
FORMATS: list[Format] = ["xlsx", "csv"]
BEGINNINGS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1+1", "－1", '=HYPERLINK("http://x")']


@pytest.mark.parametrize("sheet_format", FORMATS)
def test_what_is_written_is_read_again(sheet_format: Format) -> None:
    written = write_sheet(ROWS, sheet_format=sheet_format, made_at=MADE_AT)

    amount = "30000.5" if sheet_format == "xlsx" else "30000.50"
    assert read_sheet(written) == [["户名", "账号", "金额"], ["示例人力资源有限公司", "6200000000000000001", amount]]


@pytest.mark.parametrize("sheet_format", FORMATS)
def test_the_same_rows_are_the_same_bytes(sheet_format: Format) -> None:
    first, second = (write_sheet(ROWS, sheet_format=sheet_format, made_at=MADE_AT) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("text", BEGINNINGS)
@pytest.mark.parametrize("sheet_format", FORMATS)
def test_nothing_that_goes_out_begins_like_a_formula_and_it_comes_back_as_it_was(text: str, sheet_format: Format) -> None:
    written = write_sheet([["户名"], [f"x{text}", text]], sheet_format=sheet_format, made_at=MADE_AT)

    assert neutral(text) == f"'{text}"
    if sheet_format == "xlsx":
        with zipfile.ZipFile(io.BytesIO(written)) as archive:
            assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
    if not text[0].isspace():
        assert read_sheet(written)[1][1][0] in "=+-@"


@pytest.mark.parametrize("text", ["示例", "1", "a=b", "A-1", "'单引号"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert neutral(text) == text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "＝1"])
def test_a_cell_that_begins_like_a_formula_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(FormulaFound, match="Row 2, column 2"):
        read_sheet(f"a,b\r\n1,{text}\r\n".encode())


def test_a_computed_cell_of_a_workbook_is_refused() -> None:
    with pytest.raises(FormulaFound):
        read_sheet(workbook(lambda sheet: sheet.write_formula(0, 0, "=1+1", None, 2)))


def test_a_csv_in_gb18030_is_read() -> None:
    assert read_sheet("户名\r\n示例\r\n".encode("gb18030")) == [["户名"], ["示例"]]


@pytest.mark.parametrize("content", [b"\xff\xff\xff", b"PK\x03\x04 no archive", b'"open', b"a\x00b"], ids=["bytes", "no zip", "quote", "control"])
def test_what_is_no_sheet_is_refused(content: bytes) -> None:
    with pytest.raises(SheetUnreadable):
        read_sheet(content)


def test_days_and_numbers_of_a_workbook_are_read_as_they_are_typed() -> None:
    def fill(sheet: xlsxwriter.worksheet.Worksheet) -> None:
        sheet.write_datetime(0, 0, datetime(2025, 9, 30), book_format)  # noqa: DTZ001 - a day in a sheet has no zone
        sheet.write_number(0, 1, 0.1)
        sheet.write_number(0, 2, 2_000_000)
        sheet.write_number(0, 3, 1e15)

    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        book_format = book.add_format({"num_format": "yyyy-mm-dd"})
        fill(book.add_worksheet())

    assert read_sheet(written.getvalue()) == [["2025-09-30", "0.1", "2000000", "1000000000000000"]]


@pytest.mark.parametrize("sheet_format", FORMATS)
def test_the_last_row_and_column_that_fit_are_read_and_one_more_is_not(sheet_format: Format) -> None:
    def sheet(*, rows: int, columns: int) -> bytes:
        return write_sheet([["x"] * columns] * rows, sheet_format=sheet_format, made_at=MADE_AT)

    assert len(read_sheet(sheet(rows=ROWS_MAX, columns=1))) == ROWS_MAX
    assert len(read_sheet(sheet(rows=1, columns=COLUMNS_MAX))[0]) == COLUMNS_MAX
    with pytest.raises(SheetTooLarge):
        read_sheet(sheet(rows=ROWS_MAX + 1, columns=1))
    with pytest.raises(SheetTooLarge):
        read_sheet(sheet(rows=1, columns=COLUMNS_MAX + 1))


def test_the_longest_text_that_fits_is_read_and_one_character_more_is_not() -> None:
    assert read_sheet(b"x" * CELL_CHARACTERS_MAX) == [["x" * CELL_CHARACTERS_MAX]]
    with pytest.raises(SheetTooLarge):
        read_sheet(b"x" * (CELL_CHARACTERS_MAX + 1))


def test_a_file_with_one_byte_too_many_is_not_looked_at() -> None:
    with pytest.raises(SheetTooLarge, match=str(FILE_BYTES_MAX)):
        read_sheet(b"PK" + bytes(FILE_BYTES_MAX - 1))


def test_a_single_cell_far_away_is_refused_before_room_is_made_for_it() -> None:
    with pytest.raises(SheetTooLarge):
        read_sheet(workbook(lambda sheet: sheet.write_string(1_000_000, 0, "x")))
    with pytest.raises(SheetTooLarge):
        read_sheet(workbook(lambda sheet: sheet.write_string(0, 16_000, "x")))


def test_a_small_file_that_unpacks_into_a_flood_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in range(5):
            archive.writestr(f"xl/media/{part}.bin", bytes(8 * 1024 * 1024))

    assert len(written.getvalue()) < FILE_BYTES_MAX
    with pytest.raises(SheetTooLarge, match="Unpacked"):
        read_sheet(written.getvalue())


def test_a_document_type_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("xl/workbook.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x/>')

    with pytest.raises(SheetUnreadable, match="document type"):
        read_sheet(written.getvalue())


@given(st.binary(max_size=400), st.booleans())
def test_whatever_the_bytes_are_they_are_read_or_refused(content: bytes, is_archive: bool) -> None:
    try:
        cells = read_sheet(b"PK" * is_archive + content)
    except (SheetUnreadable, SheetTooLarge, FormulaFound):
        return

    assert all(isinstance(cell, str) for row in cells for cell in row)


def workbook(fill: object) -> bytes:
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        assert callable(fill)
        fill(book.add_worksheet())
    return written.getvalue()
