"""Generated files: written by a command, compared by a test that says what differs and how to renew."""

import difflib
from collections.abc import Mapping
from pathlib import Path

from deploy.local.folders import ROOT

CONTRACT = ROOT / "tests" / "contract"
DIFFERENCE_LINES_MAX = 60


def write(pages: Mapping[Path, str]) -> None:
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


def difference(path: Path, text: str, *, command: str) -> str:
    """Empty when the file says `text`; otherwise how it differs, and the command that renews it."""
    committed = path.read_text(encoding="utf-8") if path.exists() else ""
    if committed == text:
        return ""
    name = str(path.relative_to(ROOT))
    lines = list(difflib.unified_diff(committed.splitlines(), text.splitlines(), f"{name} (committed)", f"{name} (from the code)", lineterm="", n=2))
    more = [f"… {len(lines) - DIFFERENCE_LINES_MAX} more lines"] if len(lines) > DIFFERENCE_LINES_MAX else []
    return "\n".join([*lines[:DIFFERENCE_LINES_MAX], *more, f"If the change is meant: python -m {command}, and commit {name}."])
