"""What counts as taken by the portal, and what the stand-in portal refuses."""

import httpx
import pytest

from deploy.demo.portal import Desk
from services.notifications.portal.clients import Portal, send_record


async def judged(answer: httpx.Response | Exception) -> tuple[bool, str]:
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        assert (request.url.path, request.read()) == ("/api/receiveProc", '{"data":{"nodename":"受理"}}'.encode())
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as client:
        portal = Portal(url="http://portal.invalid/api", http=client)
        found = await send_record(portal, path="receiveProc", content={"nodename": "受理"})
    return found.taken, found.detail


@pytest.mark.parametrize(
    ("answer", "taken", "detail"),
    [
        (httpx.Response(200, json={"code": "200"}), True, "HTTP 200 code 200"),
        (httpx.Response(200, json={"code": 200, "msg": "成功"}), True, "HTTP 200 code 200 成功"),
        (httpx.Response(200, json={"code": "500", "msg": "no"}), False, "HTTP 200 code 500 no"),
        (httpx.Response(200, content=b'{"code": "500", "msg": "a\\u0000b\\ud800c"}'), False, "HTTP 200 code 500 abc"),
        (httpx.Response(200, content=b"[" * 100_000), False, "HTTP 200 code absent"),
        (httpx.Response(500, json={"code": "200"}), False, "HTTP 500 code 200"),
        (httpx.Response(201, json={"code": "200"}), False, "HTTP 201 code 200"),
        (httpx.Response(200, json={}), False, "HTTP 200 code absent"),
        (httpx.Response(200, json=["200"]), False, "HTTP 200 code absent"),
        (httpx.Response(200, content=b"\xff"), False, "HTTP 200 code absent"),
        (httpx.Response(302, headers={"location": "http://elsewhere.invalid"}), False, "HTTP 302 code absent"),
        (httpx.ConnectError("refused"), False, "ConnectError"),
        (httpx.ReadTimeout("late"), False, "ReadTimeout"),
        (TimeoutError(), False, "TimeoutError"),
    ],
)
async def test_only_http_200_with_code_200_counts_as_taken(answer: httpx.Response | Exception, detail: str, *, taken: bool) -> None:
    assert await judged(answer) == (taken, detail)


BASIC = {"projid": "P1", "dataver": "1", "regionid": "370000000000", "applicantmobile": "13900001234"}
ACCEPTED = {"projid": "P1", "sn": "1", "dataver": "1", "nodetype": "1", "noderesult": "4"}
DONE = {"projid": "P1", "dataver": "1", "doneresult": "0", "exitres": ""}


def desk_with(*records: tuple[str, dict[str, str]]) -> Desk:
    desk = Desk(token="t")
    for kind, content in records:
        assert desk.take(kind, content) is None
    return desk


@pytest.mark.parametrize(
    ("kind", "content", "fault"),
    [
        ("process", {**ACCEPTED, "projid": "P2"}, "process before basic"),
        ("process", {**ACCEPTED, "noderesult": "1"}, "node type 1 does not allow result 1"),
        ("process", {**ACCEPTED, "sn": "x"}, "sn must be a whole number"),
        ("basic", {**BASIC, "dataver": "3"}, "dataver 3 comes after 1"),
        ("basic", {**BASIC, "applicant": "another"}, "dataver 1 comes after 1"),
        ("basic", {**BASIC, "regionid": "370000"}, "regionid must have 12 digits"),
        ("basic", {**BASIC, "projid": "P" * 51}, "projid must have 1 to 50 characters"),
        ("done", {**DONE, "doneresult": "1"}, "doneresult 1 needs a reason"),
    ],
)
def test_the_stand_in_refuses_what_is_out_of_order_or_out_of_form(kind: str, content: dict[str, str], fault: str) -> None:
    desk = desk_with(("basic", BASIC))

    assert desk.take(kind, content) == fault
    assert len(desk.taken) == 1


def test_the_stand_in_takes_a_repeat_without_effect_also_when_the_mobile_was_erased() -> None:
    desk = desk_with(("basic", BASIC), ("process", ACCEPTED))

    repeated = desk.take("basic", {**BASIC, "applicantmobile": ""})

    assert (repeated, desk.repeats, len(desk.taken)) == (None, 1, 2)


def test_after_done_the_stand_in_takes_done_again_and_nothing_else() -> None:
    desk = desk_with(("basic", BASIC), ("done", DONE), ("done", {**DONE, "dataver": "2"}))

    assert desk.take("process", ACCEPTED) == "process after done"
