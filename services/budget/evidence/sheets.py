"""The books of a year as sheets for people, CSV and xlsx, and as beancount text: written row by row, never held in memory."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from services.budget.entry.rules import Entry
from services.budget.evidence import rules
from services.budget.evidence.rules import Cell, Turnovers
from services.budget.spreadsheet import neutral

XLSX_ROWS_MAX = 1_048_576
TITLES = {"vouchers": ("记账凭证", rules.VOUCHERS), "details": ("明细账", rules.DETAILS), "balances": ("余额表", rules.BALANCES)}


class Sheet:
    """One table in both forms; xlsx ends where the format does, the CSV goes on."""

    def __init__(self, file: Any, *, sheet: Any, heading: Sequence[str]) -> None:
        self._csv, self._sheet, self._row = csv.writer(file, lineterminator="\r\n"), sheet, 0
        self.write(heading)

    def write(self, cells: Sequence[Cell]) -> None:
        self._csv.writerow([neutral(cell) if isinstance(cell, str) else f"{cell:f}" if isinstance(cell, Decimal) else cell for cell in cells])
        if self._row < XLSX_ROWS_MAX:
            for column, cell in enumerate(cells):
                if isinstance(cell, str):
                    self._sheet.write_string(self._row, column, neutral(cell))
                else:
                    self._sheet.write_number(self._row, column, cell)
        self._row += 1


class YearBooks:
    """Files in a folder, held open while the journal goes by once."""

    def __init__(self, folder: Path, *, fiscal_year: int, made_at: datetime) -> None:
        import xlsxwriter  # loaded with the first pack: no process needs it to start

        self._year, self._open = fiscal_year, ExitStack()
        self._book = self._open.enter_context(xlsxwriter.Workbook(folder / "books.xlsx", {"constant_memory": True, "tmpdir": str(folder)}))
        self._book.set_properties({"created": made_at.replace(tzinfo=None)})
        self._sheets = {name: self._sheet(folder / f"{name}.csv", title, heading) for name, (title, heading) in TITLES.items()}
        self._beancount = self._open.enter_context((folder / "books.beancount").open("w", encoding="utf-8"))
        self._beancount.write(f'option "title" "{fiscal_year}"\noption "operating_currency" "CNY"\n\n')
        self._of_year, self._of_all, self._last_on = Turnovers(), Turnovers(), date(1970, 1, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.dr is not None and entry.cr is not None:
                self._add(entry)

    def end(self) -> None:
        for row in rules.balance_rows(self._of_year):
            self._sheets["balances"].write(row)
        self._beancount.writelines(rules.beancount_closing(self._of_all, last_on=self._last_on))

    def _add(self, entry: Entry) -> None:
        assert entry.dr is not None
        assert entry.cr is not None
        if entry.fiscal_year == self._year:
            self._sheets["vouchers"].write(rules.voucher_row(entry))
        for row in rules.detail_rows(entry, fiscal_year=self._year, turnovers=self._of_year):
            self._sheets["details"].write(row)
        for account in (entry.dr, entry.cr):
            if account not in self._of_all.of:
                self._beancount.write(rules.beancount_opening(account))
        self._of_all.add(entry.dr, dr_fen=entry.amount_fen)
        self._of_all.add(entry.cr, cr_fen=entry.amount_fen)
        self._beancount.write(rules.beancount_entry(entry))
        self._last_on = max(self._last_on, entry.booked_at.date())

    def _sheet(self, file: Path, title: str, heading: Sequence[str]) -> Sheet:
        # The mark at the beginning is how spreadsheet programs know UTF-8.
        return Sheet(
            self._open.enter_context(file.open("w", encoding="utf-8-sig", newline="")), sheet=self._book.add_worksheet(title), heading=heading
        )
