"""What bad content gets at the edge: a clear problem document, and nothing written."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.body import BATCH_BYTES_MAX, BODY_BYTES_MAX
from shared.paging import write_cursor
from tests.integration.shared.edge import BUG_DETAIL, SERVICE, Call, Edge, note, running_edge, write_call
from tests.runtime import Database


def padded(bytes_wanted: int) -> bytes:
    """A note that is right in all but its length: white space outside of the object."""
    return note() + b" " * (bytes_wanted - len(note()))


def repr_short(value: object) -> str:
    return repr(value)[:20]


def a_note(**fields: Any) -> bytes:
    return json.dumps({"title": "a note", "amount_fen": 100} | fields).encode()


async def refused(edge: Edge, call: Call) -> tuple[int, dict[str, Any]]:
    """Send it; nothing may be written. Returns status and problem."""
    before = await edge.written()

    answer = await edge.send(call)

    assert answer.headers["content-type"] == "application/problem+json"
    assert await edge.written() == before
    problem: dict[str, Any] = answer.json()
    assert problem["title_zh"]
    assert problem["detail_zh"]
    assert len(problem["trace_id"]) == 32
    return answer.status_code, problem


UNREADABLE = {
    "no JSON": b"not json",
    "cut off": note()[:-1],
    "a second value behind it": note() + b"{}",
    "bytes that are not UTF-8": b'{"title": "\xff\xfe", "amount_fen": 100}',
    "UTF-16": note().decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + note(),
    "half of a surrogate pair as bytes": b'{"title": "\xed\xa0\x80", "amount_fen": 100}',
    "nested 100,000 deep": b"[" * 100_000,
    "nested objects": b'{"details":' * 20_000,
    "NaN": b'{"title": "a", "amount_fen": NaN}',
    "Infinity": b'{"title": "a", "amount_fen": 100, "details": {"x": -Infinity}}',
    "a name twice": b'{"title": "a", "amount_fen": 1, "amount_fen": 100}',
    "a name twice, deep inside": b'{"title": "a", "amount_fen": 1, "details": {"x": [{"y": 1, "y": 2}]}}',
    "a number of 5,000 digits": b'{"title": "a", "amount_fen": ' + b"9" * 5_000 + b"}",
    "a raw line end in a text": b'{"title": "a\nb", "amount_fen": 100}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_a_body_that_is_no_json_is_refused(edge: Edge, body: bytes) -> None:
    status, problem = await refused(edge, write_call(body))

    assert (status, problem["code"]) == (400, "body-unreadable")


UNSTORABLE = {
    "U+0000 in a text": b'{"title": "a\\u0000b", "amount_fen": 100}',
    "U+0000 in a list deep inside": b'{"title": "a", "amount_fen": 100, "details": {"x": [["\\u0000"]]}}',
    "U+0000 in a name": b'{"title": "a", "amount_fen": 100, "details": {"\\u0000": 1}}',
    "half of a surrogate pair": b'{"title": "a\\ud83d", "amount_fen": 100}',
    "the other half in an unknown field's name": b'{"title": "a", "amount_fen": 100, "\\ude00": 1}',
}


@pytest.mark.parametrize("body", UNSTORABLE.values(), ids=UNSTORABLE.keys())
async def test_a_character_that_no_database_takes_is_refused(edge: Edge, body: bytes) -> None:
    status, problem = await refused(edge, write_call(body))

    assert (status, problem["code"]) == (400, "text-unstorable")


@pytest.mark.parametrize(
    "title", ["\\u0000", "\U0001f600", "中文", "\\ud83d", "\u202e"], ids=["a backslash", "a pair", "Chinese", "an escape as text", "odd"]
)
async def test_every_other_text_comes_back_as_it_was_sent(edge: Edge, title: str) -> None:
    answers = [
        await edge.send(write_call(json.dumps({"title": title, "amount_fen": 100}, ensure_ascii=escaped).encode())) for escaped in (True, False)
    ]

    assert [(answer.status_code, answer.json()["title"]) for answer in answers] == [(201, title)] * 2


@pytest.mark.parametrize("address", ["/v1/notes?title=a%00b", "/v1/notes?%00=b", "/v1/notes/a%00b:change"])
async def test_an_address_with_a_zero_byte_is_refused(edge: Edge, address: str) -> None:
    method = "POST" if address.endswith("change") else "GET"

    answer = await edge.send(Call(method, address, key="k", if_match='"1"'))

    assert (answer.status_code, answer.json()["code"]) == (400, "text-unstorable")


WRONG_FIELDS: dict[str, tuple[bytes, str, str]] = {
    "money as a float": (a_note(amount_fen=100.5), "/amount_fen", "整数"),
    "money as a whole float": (a_note(amount_fen=100.0), "/amount_fen", "整数"),
    "money with an exponent": (b'{"title": "a", "amount_fen": 1e2}', "/amount_fen", "整数"),
    "money without bounds": (b'{"title": "a", "amount_fen": 1e999}', "/amount_fen", "整数"),
    "money as a text": (a_note(amount_fen="100"), "/amount_fen", "整数"),
    "money as true": (a_note(amount_fen=True), "/amount_fen", "整数"),
    "no money": (a_note(amount_fen=0), "/amount_fen", "大于0"),
    "less than no money": (a_note(amount_fen=-1), "/amount_fen", "大于0"),
    "one fen over every bound": (a_note(amount_fen=10**15 + 1), "/amount_fen", "不得大于"),
    "money beyond 64 bits": (a_note(amount_fen=2**80), "/amount_fen", "不得大于"),
    "null money": (a_note(amount_fen=None), "/amount_fen", "整数"),
    "an unknown field": (a_note(colour="red"), "/colour", "不认识的字段"),
    "an unknown field with odd signs": (a_note(**{"a/b~c": 1}), "/a~1b~0c", "不认识的字段"),
    "a missing field": (b'{"title": "a"}', "/amount_fen", "必填"),
    "an empty text": (a_note(title=""), "/title", "至少需要1个字符"),
    "a text of white space": (a_note(title="  "), "/title", "至少需要1个字符"),
    "a text too long": (a_note(title="a" * 51), "/title", "最多50个字符"),
    "a text that is a number": (a_note(title=7), "/title", "文本"),
    "a day that is an instant": (a_note(written_on="2025-09-01T01:00:00Z"), "/written_on", "日期格式"),
    "a day that is none": (a_note(written_on="2025-02-30"), "/written_on", "日期格式"),
    "a list for an object": (b"[]", "", "JSON对象"),
    "null for an object": (b"null", "", "JSON对象"),
    "a text for an object": (b'"a"', "", "JSON对象"),
}


@pytest.mark.parametrize(("body", "pointer", "words_zh"), WRONG_FIELDS.values(), ids=WRONG_FIELDS.keys())
async def test_a_wrong_field_is_named_in_both_languages(edge: Edge, body: bytes, pointer: str, words_zh: str) -> None:
    status, problem = await refused(edge, write_call(body))

    assert (status, problem["code"]) == (422, "invalid")
    (found,) = problem["errors"]
    assert found["pointer"] == pointer
    assert words_zh in found["detail_zh"]
    assert found["detail"]


async def test_every_wrong_field_is_named_at_once(edge: Edge) -> None:
    _, problem = await refused(edge, write_call(a_note(title="", amount_fen=0, colour="red")))

    assert sorted(each["pointer"] for each in problem["errors"]) == ["/amount_fen", "/colour", "/title"]


async def test_the_list_of_wrong_fields_has_an_end(edge: Edge) -> None:
    _, problem = await refused(edge, write_call(a_note(**{f"field_{n}": n for n in range(500)})))

    assert len(problem["errors"]) == 100


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
async def test_a_body_that_is_not_said_to_be_json_is_told_how_to_say_it(edge: Edge, content_type: str) -> None:
    status, problem = await refused(edge, write_call(content_type=content_type))

    assert (status, problem["errors"][0]["pointer"]) == (422, "")
    assert "Content-Type: application/json" in problem["errors"][0]["detail"]
    assert "Content-Type: application/json" in problem["errors"][0]["detail_zh"]


async def test_a_rule_that_refuses_after_writing_leaves_nothing(edge: Edge) -> None:
    status, problem = await refused(edge, write_call(note("unwelcome")))

    assert (status, problem["code"]) == (422, "note-unwelcome")
    assert problem["errors"] == [{"pointer": "/title", "detail": "This title is not wanted.", "detail_zh": "不接受该标题。"}]


async def test_a_body_of_one_mebibyte_is_taken(edge: Edge) -> None:
    answer = await edge.send(write_call(padded(BODY_BYTES_MAX)))

    assert answer.status_code == 201


async def test_one_byte_more_is_too_large(edge: Edge) -> None:
    status, problem = await refused(edge, write_call(padded(BODY_BYTES_MAX + 1)))

    assert (status, problem["code"]) == (413, "body-too-large")


async def test_a_batch_may_have_five_mebibytes_and_no_more(edge: Edge) -> None:
    answers = [
        await edge.send(Call("POST", "/v1/notes:batch", b"[" + note() + b" " * (size - len(note()) - 2) + b"]", key="k"))
        for size in (BATCH_BYTES_MAX, BATCH_BYTES_MAX + 1)
    ]

    assert [answer.status_code for answer in answers] == [200, 413]


async def in_chunks(body: bytes, *, sent: list[int]) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65_536):
        sent.append(start)
        yield body[start : start + 65_536]


async def test_a_body_without_a_length_is_cut_at_the_limit(edge: Edge) -> None:
    before, body, sent = await edge.written(), padded(4 * BODY_BYTES_MAX), list[int]()

    answer = await edge.client.post("/v1/notes", content=in_chunks(body, sent=sent), headers=write_call(body).signed_headers())

    assert answer.status_code == 413
    assert max(sent) <= BODY_BYTES_MAX + 65_536
    assert await edge.written() == before


@pytest.mark.parametrize("length", ["5", "abc", "-1", "1e3", "", "٣", "9" * 30, str(2**62)], ids=str)
async def test_a_length_that_lies_is_never_a_fault(edge: Edge, length: str) -> None:
    before, body = await edge.written(), padded(BODY_BYTES_MAX + 1)
    headers = write_call(body).signed_headers() | {"content-length": length}

    answer = await edge.client.post("/v1/notes", content=body, headers=[(name.encode(), value.encode()) for name, value in headers.items()])

    assert answer.status_code in (400, 413)
    assert await edge.written() == before


async def test_an_unknown_address_is_told_as_a_problem(edge: Edge) -> None:
    status, problem = await refused(edge, Call("GET", "/v1/nothing"))

    assert (status, problem["code"]) == (404, "route-unknown")


async def test_an_unknown_method_is_told_which_are_known(edge: Edge) -> None:
    answer = await edge.send(Call("DELETE", "/v1/notes"))

    assert (answer.status_code, answer.json()["code"]) == (405, "method-unknown")
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["title_zh"]


async def test_a_bug_tells_its_trace_id_and_nothing_else(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"

    answer = await edge.client.get("/v1/bugs", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["trace_id"]) == (500, "fault", trace_id)
    assert answer.headers["content-type"] == "application/problem+json"
    assert BUG_DETAIL not in answer.text
    assert "RuntimeError" not in answer.text
    assert "request_failed" in capsys.readouterr().out


async def test_a_request_without_a_trace_gets_one_of_its_own(edge: Edge) -> None:
    answers = [
        await edge.client.get("/v1/bugs", headers={"traceparent": parent}) for parent in ("", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01")
    ]

    trace_ids = {answer.json()["trace_id"] for answer in answers}
    assert len(trace_ids) == 3
    assert "0" * 32 not in trace_ids


async def test_while_the_database_is_away_callers_are_asked_to_come_back(note_database: Database) -> None:
    async with running_edge(note_database, database_url="postgresql+asyncpg://nobody:nothing@127.0.0.1:1/none") as edge:
        answers = [await edge.send(write_call()), await edge.send(Call("GET", "/v1/notes")), await edge.client.get("/health/ready")]
        alive = await edge.client.get("/health/live")

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "database-away")] * 3
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert "127.0.0.1" not in answers[0].text
    assert alive.status_code == 200


@pytest.mark.parametrize("table", ["note", "answer"])
async def test_while_the_database_takes_too_long_callers_are_asked_to_come_back(note_database: Database, table: str) -> None:
    call = write_call()
    async with running_edge(note_database, statement_timeout_ms=100) as edge:
        connection = await asyncpg.connect(note_database.urls["postgres"])
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {SERVICE}.{table} IN ACCESS EXCLUSIVE MODE")
            answer = await edge.send(call)
        await connection.close()
        again = await edge.send(call)

    assert (answer.status_code, answer.json()["code"]) == (503, "database-slow")
    assert int(answer.headers["retry-after"]) >= 1
    assert again.status_code == 201


async def test_after_the_database_dropped_its_connections_the_next_calls_are_taken(edge: Edge) -> None:
    await edge.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{SERVICE}' AND datname = $1", edge.database.name)

    statuses = [(await edge.send(write_call())).status_code for _ in range(3)]

    assert statuses[0] in (201, 503)
    assert statuses[1:] == [201, 201]


IF_MATCH_MISSING = ["", '"', "abc", "*", '"1.0"', '"-1"', "٣", '"1", "2"', "9" * 30]


@pytest.mark.parametrize("value", IF_MATCH_MISSING, ids=[f"value {n}" for n in range(len(IF_MATCH_MISSING))])
async def test_an_if_match_that_names_no_version_is_asked_for(edge: Edge, value: str) -> None:
    written = (await edge.send(write_call())).json()
    headers = Call("POST", f"/v1/notes/{written['id']}:change", note(), key="k", if_match=value).signed_headers()

    answer = await edge.client.post(
        f"/v1/notes/{written['id']}:change", content=note(), headers={name.encode(): value.encode() for name, value in headers.items()}
    )

    # Bytes outside ASCII are read as other characters than were signed.
    assert (answer.status_code, answer.json()["code"]) in ((428, "if-match-missing"), (401, "signature-wrong"))


async def test_a_stale_version_is_refused_and_the_current_one_is_taken(edge: Edge) -> None:
    first = await edge.send(write_call())
    address = f"/v1/notes/{first.json()['id']}:change"
    second = await edge.send(Call("POST", address, note("second"), key="second", if_match=first.headers["etag"]))
    before = await edge.written()

    stale = await edge.send(Call("POST", address, note("third"), key="third", if_match=first.headers["etag"]))

    assert (second.status_code, second.headers["etag"]) == (200, '"2"')
    assert (stale.status_code, stale.json()["code"]) == (412, "version-stale")
    assert await edge.written() == before
    (row,) = await edge.rows(f"SELECT title, version FROM {SERVICE}.note WHERE id = $1", first.json()["id"])
    assert (row["title"], row["version"]) == ("second", 2)


async def test_a_repeat_with_the_old_version_gets_its_first_answer(edge: Edge) -> None:
    first = await edge.send(write_call())
    change = Call("POST", f"/v1/notes/{first.json()['id']}:change", note("second"), key="repeated", if_match=first.headers["etag"])

    answers = [await edge.send(change) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


GARBLED_CURSORS = {
    "no base64": "!!!!",
    "base64 of no JSON": "YWJj",
    "an object": "e30",
    "too few values": write_cursor(1),
    "too many values": write_cursor(1, "a", "b"),
    "values of other kinds": write_cursor("a", "b"),
    "true for a number": "W3RydWUsImEiXQ",
    "a number beyond 64 bits": write_cursor(2**63, "a"),
    "a number below 0": write_cursor(-1, "a"),
    "a zero byte": write_cursor(1, "a\0b"),
    "half of a surrogate pair": write_cursor(1, "\ud800"),
    "nested": "W1tbW1tbW1tbW10",
    "empty": "",
    "outside ASCII": "%E4%B8%AD",
}


@pytest.mark.parametrize("cursor", GARBLED_CURSORS.values(), ids=GARBLED_CURSORS.keys())
async def test_a_cursor_that_is_not_ours_is_refused(edge: Edge, cursor: str) -> None:
    answer = await edge.send(Call("GET", f"/v1/notes?cursor={cursor}"))

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["errors"][0]["pointer"]) == (400, "cursor-unreadable", "/query/cursor")


async def test_a_cursor_too_long_is_refused(edge: Edge) -> None:
    answer = await edge.send(Call("GET", "/v1/notes?cursor=" + "a" * 501))

    assert answer.status_code == 422


@pytest.mark.parametrize("limit", ["0", "-1", "201", "1.5", "abc", "", "9" * 5_000], ids=repr_short)
async def test_a_page_of_another_size_is_refused(edge: Edge, limit: str) -> None:
    answer = await edge.send(Call("GET", f"/v1/notes?limit={limit}"))

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/limit")


async def test_pages_hold_every_row_once_and_in_order(edge: Edge) -> None:
    titles = [f"paged {n}" for n in range(7)]
    for title in reversed(titles):
        await edge.send(write_call(note(title, amount_fen=10**14)))

    seen, cursor = list[str](), write_cursor(10**14, "paged")
    while cursor:
        page = (await edge.send(Call("GET", f"/v1/notes?limit=3&cursor={cursor}"))).json()
        seen += [row["title"] for row in page["rows"]]
        cursor = page["next_cursor"]

    assert [title for title in seen if title.startswith("paged ")] == titles


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["title", "amount_fen", "details"]), inner),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
async def test_no_body_is_a_fault(edge: Edge, body: bytes) -> None:
    answer = await edge.send(write_call(body, content_type="application/json"))

    assert answer.status_code in (201, 400, 422)
