"""The log: a fault is told with its place, never with what lay in memory or in a row."""

import io
import json
from pathlib import Path

import asyncpg
import structlog

SECRET = "a token in a local variable"
PERSON = "Zhang San"


def fail() -> None:
    held = SECRET
    assert held
    row = asyncpg.NotNullViolationError("null value in column")
    row.detail = f"Failing row contains ({PERSON}, 13800000000)."
    raise ExceptionGroup("two things", [row, ValueError("a plain reason")])


def test_a_fault_is_logged_without_local_variables_and_rows(log: io.StringIO) -> None:
    try:
        fail()
    except ExceptionGroup as error:
        structlog.get_logger().error("request_failed", exc_info=error)

    line = json.loads(log.getvalue())
    assert (line["event"], line["service"]) == ("request_failed", "registry")
    assert "a plain reason" in log.getvalue()
    assert "null value in column" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert PERSON not in log.getvalue()


def test_a_line_keeps_its_chinese_and_what_is_no_json(log: io.StringIO) -> None:
    structlog.get_logger().info("told", name="台账", path=Path("/a"), slot="its own")

    assert "台账" in log.getvalue()
    line = json.loads(log.getvalue())
    assert (line["path"], line["slot"]) == (repr(Path("/a")), "its own")
