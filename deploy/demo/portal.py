"""A stand-in for the provincial portal, a real HTTP server: `python -m deploy.demo.portal`. It keeps what it gets and refuses what is out of order.

Settings from the environment: PORTAL_TOKEN, PORTAL_HOST (127.0.0.1), PORTAL_PORT (8900) and PORTAL_FILE, which gets one JSON line for each
record that was taken and is read again at start.
"""

import hmac
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Content: TypeAlias = dict[str, str]

KINDS = {"/receiveBasicInfo": "basic", "/receiveProc": "process", "/receiveSpecialNode": "special", "/receiveDone": "done"}
# What the interface lets a node of each type end with: the portal's own table, not read from the sender's.
RESULTS_BY_NODE_TYPE = {"1": "456", "2": "01567", "3": "01", "4": "1234"}
PROJID_CHARACTERS_MAX = 50
REGION_CHARACTERS = 12


@dataclass
class Desk:
    """`failing` holds how many of the coming calls answer 503: of all cases under "*", of one under its projid."""

    token: str
    file: Path | None = None
    taken: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    repeats: int = 0
    _cases: dict[str, list[dict[str, Any]]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                self._remember(json.loads(line))

    def take(self, kind: str, content: Content) -> str | None:
        """Keep the record, or say what is wrong with it. One that was taken already is taken again without effect."""
        if fault := _fault(kind, content):
            return fault
        of_case = self._cases.get(content["projid"], [])
        key = _key(kind, content)
        before = [each["content"] for each in of_case if _key(each["kind"], each["content"]) == key]
        newest = max((int(each["dataver"]) for each in before), default=0)
        if _same(content, before):
            self.repeats += 1
            return None
        if int(content["dataver"]) != newest + 1:
            return f"dataver {content['dataver']} comes after {newest}"
        if out_of_order := _out_of_order(kind, of_case):
            return out_of_order
        self._keep({"kind": kind, "content": content})
        return None

    def _remember(self, record: dict[str, Any]) -> None:
        self.taken.append(record)
        self._cases.setdefault(record["content"]["projid"], []).append(record)

    def _keep(self, record: dict[str, Any]) -> None:
        self._remember(record)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(record, ensure_ascii=False) + "\n")

    def fails_now(self, projid: str) -> bool:
        for name in ("*", projid):
            if self.failing.get(name, 0) > 0:
                self.failing[name] -= 1
                return True
        return False


def _key(kind: str, content: Content) -> tuple[str, str]:
    return kind, content.get("sn", "")


def _same(content: Content, before: list[Content]) -> bool:
    """The applicant's mobile may have been erased since; everything else must be as it was."""
    told = {name: value for name, value in content.items() if name != "applicantmobile"}
    return any({name: value for name, value in each.items() if name != "applicantmobile"} == told for each in before)


def _fault(kind: str, content: Content) -> str | None:
    if not all(isinstance(value, str) for value in content.values()):
        return "every value is a text"
    if not 1 <= len(content.get("projid", "")) <= PROJID_CHARACTERS_MAX:
        return f"projid must have 1 to {PROJID_CHARACTERS_MAX} characters"
    if not content.get("dataver", "").isdecimal():
        return "dataver must be a whole number"
    if kind == "basic" and len(content.get("regionid", "")) != REGION_CHARACTERS:
        return f"regionid must have {REGION_CHARACTERS} digits"
    if kind in ("process", "special") and not content.get("sn", "").isdecimal():
        return "sn must be a whole number"
    if kind == "process" and content.get("noderesult", "-") not in RESULTS_BY_NODE_TYPE.get(content.get("nodetype", ""), ""):
        return f"node type {content.get('nodetype')} does not allow result {content.get('noderesult')}"
    if kind == "done" and content.get("doneresult") in tuple("12345") and not content.get("exitres"):
        return f"doneresult {content['doneresult']} needs a reason"
    return None


def _out_of_order(kind: str, of_case: list[dict[str, Any]]) -> str | None:
    kinds = [each["kind"] for each in of_case]
    if kind != "basic" and "basic" not in kinds:
        return f"{kind} before basic"
    if kind != "done" and "done" in kinds:
        return f"{kind} after done"
    return None


def create_portal(desk: Desk) -> Starlette:
    """Routes of the portal, and two for whoever tells the story: read back what was taken, and let coming calls fail."""

    def is_known(request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("token", "").encode(), desk.token.encode())

    async def receive(request: Request) -> Response:
        desk.calls += 1
        if not is_known(request):
            return _answer(401, code="401", msg="token")
        try:
            content: Content = dict((await request.json())["data"])
        except (ValueError, KeyError, TypeError):
            return _answer(200, code="400", msg="the body is not {data: {…}}")
        kind, projid = KINDS[request.url.path], str(content.get("projid", ""))
        if desk.fails_now(projid):
            return _answer(503, code="503", msg="told to fail")
        if fault := desk.take(kind, content):
            desk.refused.append({"kind": kind, "projid": projid, "fault": fault})
            return _answer(200, code="500", msg=fault)
        return _answer(200, code="200", msg="ok")

    async def read_records(request: Request) -> Response:
        if not is_known(request):
            return _answer(401, code="401", msg="token")
        projid = request.query_params.get("projid")
        records = [each for each in desk.taken if projid in (None, each["content"]["projid"])]
        return JSONResponse({"records": records, "refused": desk.refused, "calls": desk.calls, "repeats": desk.repeats})

    async def fail(request: Request) -> Response:
        if not is_known(request):
            return _answer(401, code="401", msg="token")
        wish = await request.json()
        desk.failing[str(wish.get("projid", "*"))] = int(wish["calls"])
        return _answer(200, code="200", msg="ok")

    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "live"})

    return Starlette(
        routes=[
            Route("/records", read_records),
            Route("/fail", fail, methods=["POST"]),
            Route("/health/live", live),
            *(Route(path, receive, methods=["POST"]) for path in KINDS),
        ]
    )


def _answer(status: int, *, code: str, msg: str) -> Response:
    return JSONResponse({"code": code, "msg": msg}, status_code=status)


def main() -> None:
    file = os.environ.get("PORTAL_FILE")
    desk = Desk(token=os.environ["PORTAL_TOKEN"], file=Path(file) if file else None)
    host, port = os.environ.get("PORTAL_HOST", "127.0.0.1"), int(os.environ.get("PORTAL_PORT", "8900"))
    uvicorn.run(create_portal(desk), host=host, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
