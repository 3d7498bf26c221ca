"""Sheets as other offices send and take them, CSV and xlsx: bounded when read, and never a formula, neither in nor out."""

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from shared.errors import Refusal

FILE_BYTES_MAX = 3 * 1024 * 1024
UNPACKED_BYTES_MAX = 32 * 1024 * 1024
PARTS_MAX = 200
ROWS_MAX = 1_001
COLUMNS_MAX = 30
CELL_CHARACTERS_MAX = 500

Format: TypeAlias = Literal["xlsx", "csv"]
MEDIA_TYPES: dict[Format, str] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}

Cell: TypeAlias = "str | Decimal"

# What a spreadsheet program takes for the beginning of a formula, also after it has read a CSV file.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_AS_TEXT = "'"
_CHUNK_BYTES = 1024 * 1024
_PLACE = re.compile(rb"""(?<![\w:])r\s*=\s*["']([^"']*)""")
_PLACE_WRITTEN = re.compile(rb"([A-Za-z]{0,3})([0-9]{1,7})")
_ODD_XML = re.compile(rb"<!DOCTYPE|<!ENTITY|\x00", re.IGNORECASE)
_FORMULA_XML = re.compile(rb"<(?:[A-Za-z0-9]+:)?f[\s/>]")


class SheetUnreadable(Refusal):
    code = "sheet-unreadable"
    title_en = "The file is not a sheet that can be read"
    title_zh = "文件无法作为表格读取"
    remedy_en = "Send the sheet as .xlsx, or as CSV in UTF-8 or GB18030."
    remedy_zh = "请以 .xlsx 或 CSV（UTF-8 或 GB18030 编码）格式提交。"


class SheetTooLarge(Refusal):
    code = "sheet-too-large"
    title_en = "The sheet is too large"
    title_zh = "表格过大"
    remedy_en = f"At most {ROWS_MAX - 1} rows below the headings, {COLUMNS_MAX} columns, {CELL_CHARACTERS_MAX} characters a cell: divide it."
    remedy_zh = f"表头以下最多{ROWS_MAX - 1}行、{COLUMNS_MAX}列，每格最多{CELL_CHARACTERS_MAX}字，请拆分后提交。"


class FormulaFound(Refusal):
    code = "sheet-formula"
    title_en = "A cell holds a formula"
    title_zh = "单元格含有公式"
    remedy_en = "Send values only: copy the sheet and paste it as values."
    remedy_zh = "请将公式转换为数值后提交。"


def write_sheet(rows: Sequence[Sequence[Cell]], *, sheet_format: Format, made_at: datetime) -> bytes:
    """The same rows give the same bytes; amounts are numbers, everything else is text."""
    return _write_xlsx(rows, made_at=made_at) if sheet_format == "xlsx" else _write_csv(rows)


def neutral(text: str) -> str:
    """Text that no spreadsheet program runs: an apostrophe before what would begin a formula."""
    return _AS_TEXT + text if unicodedata.normalize("NFKC", text[:1]).startswith(_FORMULA) else text


def read_sheet(content: bytes) -> list[list[str]]:
    """The cells of the first sheet as text, days as YYYY-MM-DD. Raises SheetUnreadable, SheetTooLarge, FormulaFound."""
    if len(content) > FILE_BYTES_MAX:
        raise SheetTooLarge(f"It has {len(content)} bytes, at most {FILE_BYTES_MAX} are read.", detail_zh=f"文件超过{FILE_BYTES_MAX}字节。")
    rows = _read_xlsx(content) if content.startswith(b"PK") else _read_csv(content)
    return [[_read_cell(cell, row=row, column=column) for column, cell in enumerate(cells, start=1)] for row, cells in enumerate(rows, start=1)]


def _write_csv(rows: Sequence[Sequence[Cell]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows([[neutral(cell) if isinstance(cell, str) else f"{cell:f}" for cell in row] for row in rows])
    # The mark by which spreadsheet programs know UTF-8.
    return written.getvalue().encode("utf-8-sig")


def _write_xlsx(rows: Sequence[Sequence[Cell]], *, made_at: datetime) -> bytes:
    # Loaded with the first sheet: no process needs it to start.
    import xlsxwriter

    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        book.set_properties({"created": made_at.replace(tzinfo=None)})
        sheet, amount = book.add_worksheet(), book.add_format({"num_format": "#,##0.00"})
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, Decimal):
                    sheet.write_number(row, column, cell, amount)
                else:
                    sheet.write_string(row, column, neutral(cell))
    return written.getvalue()


def _read_csv(content: bytes) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for cells in csv.reader(io.StringIO(_decoded(content), newline=""), strict=True):
            _check_size(row=len(rows) + 1, columns=len(cells))
            rows.append(cells)
    except csv.Error as error:
        raise SheetUnreadable(f"Line {len(rows) + 1}: {error}.", detail_zh=f"第{len(rows) + 1}行格式有误。") from error
    return rows


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SheetUnreadable("It is neither UTF-8 nor GB18030.", detail_zh="文件编码既非UTF-8也非GB18030。")


def _read_xlsx(content: bytes) -> list[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook

    _check_parts(content)
    try:
        sheet = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0)
        rows = sheet.to_python(skip_empty_area=False, nrows=ROWS_MAX + 1)
    except (CalamineError, IndexError) as error:
        raise SheetUnreadable("It is no .xlsx file.", detail_zh="文件不是有效的 .xlsx 表格。") from error
    for number, cells in enumerate(rows, start=1):
        _check_size(row=number, columns=len(cells))
    return [[_as_text(cell) for cell in cells] for cells in rows]


def _check_parts(content: bytes) -> None:
    """Before the library unfolds anything: how much is in it, how far its cells reach, and that no cell is a formula."""
    unpacked_bytes = 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > PARTS_MAX:
                raise SheetTooLarge(f"It has {len(parts)} parts, at most {PARTS_MAX} are read.", detail_zh="文件内部结构过于复杂。")
            for part in parts:
                unpacked = b"".join(_unpacked(archive, part, bytes_max=UNPACKED_BYTES_MAX - unpacked_bytes))
                unpacked_bytes += len(unpacked)
                if part.filename.lower().endswith((".xml", ".rels")) and _ODD_XML.search(unpacked):
                    raise SheetUnreadable("It holds an XML document type.", detail_zh="文件含有不允许的XML声明。")
                if "worksheets/" in part.filename:
                    _check_worksheet(unpacked)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise SheetUnreadable("It is no .xlsx file.", detail_zh="文件不是有效的 .xlsx 表格。") from error


def _unpacked(archive: zipfile.ZipFile, part: zipfile.ZipInfo, *, bytes_max: int) -> Iterator[bytes]:
    """What the file says of its own size is not believed."""
    left_bytes = bytes_max
    with archive.open(part) as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            left_bytes -= len(chunk)
            if left_bytes < 0:
                raise SheetTooLarge(f"Unpacked it has more than {UNPACKED_BYTES_MAX} bytes.", detail_zh="文件解压后过大。")
            yield chunk


def _check_worksheet(worksheet: bytes) -> None:
    """The library makes room for every cell up to the last one named, so one far away is a flood."""
    if _FORMULA_XML.search(worksheet):
        raise FormulaFound("A cell of the workbook is computed.", detail_zh="表格中有公式单元格。")
    for place in set(_PLACE.findall(worksheet)):
        if (written := _PLACE_WRITTEN.fullmatch(place)) is None:
            raise SheetUnreadable("A cell has a place that is none.", detail_zh="单元格位置有误。")
        column = 0
        for letter in written[1].upper():
            column = column * 26 + letter - ord("A") + 1
        _check_size(row=int(written[2]), columns=column)


def _check_size(*, row: int, columns: int) -> None:
    if row > ROWS_MAX:
        raise SheetTooLarge(f"It has more than {ROWS_MAX - 1} rows below the headings.", detail_zh=f"表头以下超过{ROWS_MAX - 1}行。")
    if columns > COLUMNS_MAX:
        raise SheetTooLarge(f"Row {row} has more than {COLUMNS_MAX} columns.", detail_zh=f"第{row}行超过{COLUMNS_MAX}列。")


def _as_text(cell: object) -> str:
    """Numbers of a workbook are binary: the shortest decimal that stands for the same one is what was typed."""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time().isoformat() == "00:00:00" else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        return f"{Decimal(repr(cell)).normalize():f}"
    return str(cell)


def _read_cell(cell: str, *, row: int, column: int) -> str:
    text = unicodedata.normalize("NFKC", cell).strip(" \u3000")
    if len(text) > CELL_CHARACTERS_MAX:
        raise SheetTooLarge(f"Row {row}, column {column}: the text is too long.", detail_zh=f"第{row}行第{column}列文字过长。")
    if text.startswith(_AS_TEXT) and text[1:].startswith(_FORMULA):
        # As it went out of here.
        return text[1:].strip()
    if text.startswith(_FORMULA):
        raise FormulaFound(f"Row {row}, column {column} begins like a formula.", detail_zh=f"第{row}行第{column}列以公式符号开头。")
    if any(unicodedata.category(character) == "Cc" and character not in "\n\t\r" for character in text):
        raise SheetUnreadable(f"Row {row}, column {column} holds a control character.", detail_zh=f"第{row}行第{column}列含有控制字符。")
    return text.strip()
