"""How the story is shown: one line a step with its clause, tables, and the progress of what takes long."""

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from shared.money import yuan_text

# Wide enough for a step in both languages where no terminal says how wide it is.
PLAIN_WIDTH = 160


class NotAsTold(Exception):
    """A fact of the story did not come out as the story tells it."""


def console() -> Console:
    usual = Console(highlight=False)
    return usual if usual.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def act(out: Console, *, number: str, zh: str, en: str) -> None:
    out.print()
    out.print(Text.assemble((f"{number}、{zh}", "bold cyan"), (f"  {en}", "cyan")))


def step(out: Console, *, at: datetime, zh: str, en: str, clause: str) -> None:
    """One line: business time, what happened, and the clause that it rests on."""
    out.print(
        Text.assemble((f"{at:%m-%d %H:%M} ", "dim"), ("✓ ", "green"), zh, ("  " + en, "dim"), (f"  〔{clause}〕" if clause else "", "yellow")),
        soft_wrap=True,
    )


def aside(out: Console, *, zh: str, en: str) -> None:
    """What the system refused to do, or what holds something up: the story goes on."""
    out.print(Text.assemble(" " * 12, ("✗ ", "red"), zh, ("  " + en, "dim")), soft_wrap=True)


def note(out: Console, text: str) -> None:
    """More about the step above."""
    out.print(f"            {text}", soft_wrap=True)


def table(title_zh: str, title_en: str, *headings: str, right: Sequence[int] = ()) -> Table:
    """`right`: columns of numbers."""
    made = Table(
        title=f"{title_zh}  [dim]{title_en}[/]", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", header_style="bold", pad_edge=False
    )
    for index, heading in enumerate(headings):
        made.add_column(heading, justify="right" if index in right else "left", overflow="fold")
    return made


def progress(out: Console) -> Progress:
    return Progress(
        TextColumn("            {task.description}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        console=out,
        transient=True,
        disable=not out.is_terminal,
    )


def yuan(fen: int | None) -> str:
    return "—" if fen is None else yuan_text(fen)


def require(told: bool, *, zh: str, en: str) -> None:
    """The story stops where it is not true."""
    if not told:
        raise NotAsTold(f"{zh}\n{en}")
