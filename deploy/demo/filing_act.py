"""Act two: the district's system files its signed batch of 40; each row gets its own answer, and the same batch again changes nothing."""

import hashlib
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from rich.markup import escape

from deploy.clients.client import Client
from deploy.demo.cast import FilingRow
from deploy.demo.telling import note, require, table
from deploy.demo.world import World, rows_of, until

EVIDENCE_BYTES = 48_213


@dataclass(frozen=True, kw_only=True)
class Filed:
    """Case ids by the district's own row references, and each reference's row as it was sent."""

    ids: dict[str, str]
    sent: dict[str, dict[str, Any]]
    titles: dict[str, str]
    evidence: dict[str, list[str]]


async def play(world: World) -> Filed:
    world.move_to("2025-09-08T09:30")
    district = await world.as_district(service="applications")
    items = (await district.get("/v1/items", params={"on": "2025-09-08"})).json()
    evidence = {item["id"]: item["evidence"] for item in items["items"]}
    titles = {item["id"]: item["short_name_zh"] for item in items["items"]}
    rows = [complete_row(row, evidence=evidence) for row in world.cast.filings]
    world.step(
        zh=f"政策目录：{len(items['items'])}个有金额的项目，另有{len(items['referrals'])}项只作指引、不在此支付",
        en="items in force, and referrals that are never paid here",
        clause="items",
    )
    await rehearse(world, district=district, rows=rows)
    key = str(uuid.uuid4())
    first = await district.post("/v1/applications:batch", json={"rows": rows}, idempotency_key=key)
    results = first.json()["results"]
    show_answers(world, results=results, titles=titles)
    await file_again(world, district=district, rows=rows, key=key, first=first.content, results=results)
    good = [(row, result["filed"]) for row, result in zip(world.cast.filings, results, strict=True) if row.answer is None]
    return Filed(
        ids={row.reference: filed["application_id"] for row, filed in good},
        sent={row.reference: complete_row(row, evidence=evidence) for row, _ in good},
        titles=titles,
        evidence=evidence,
    )


def complete_row(row: FilingRow, *, evidence: dict[str, list[str]]) -> dict[str, Any]:
    """The row with the documents that its item asks for."""
    kinds = [kind for kind in evidence.get(row.sent["item_id"], []) if kind not in row.without_evidence]
    return {**row.sent, "evidence": [document(row.reference, kind=kind) for kind in kinds]}


def document(reference: str, *, kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"{reference} {kind}".encode()).hexdigest()
    return {"kind": kind, "name": f"{reference}-{kind}.pdf", "sha256": digest, "size_bytes": EVIDENCE_BYTES}


async def rehearse(world: World, *, district: Client, rows: list[dict[str, Any]]) -> None:
    """Validate until the registry's facts have arrived next door; a rehearsal writes nothing."""
    answers: dict[int, dict[str, Any]] = {}
    unknown = {world.cast.story["newcomer"]}

    def unverified() -> list[int]:
        return [index for index, each in answers.items() if each["filed"] and each["filed"]["unverified"]]

    async def verified() -> bool | None:
        asked = unverified() or list(range(len(rows)))
        results = (await district.post("/v1/applications:validate", json={"rows": [rows[index] for index in asked]})).json()["results"]
        answers.update(zip(asked, results, strict=True))
        return True if {rows[index]["row_reference"] for index in unverified()} == unknown else None

    await until("登记信息到达申报系统", what_en="the registry's facts reach applications", ask=verified)
    counts = Counter(each["status"] for each in answers.values())
    require(await rows_of(district, "/v1/applications") == [], zh="试报不应写入任何内容", en="a rehearsal writes nothing")
    world.step(
        zh=f"先试报：可收件{counts['created']}件、有误{counts['refused']}件，未写入任何内容", en="rehearsed first: nothing written", clause="items"
    )


def show_answers(world: World, *, results: list[dict[str, Any]], titles: dict[str, str]) -> None:
    counts = Counter(result["status"] for result in results)
    good = world.cast.good
    require(counts == {"created": len(good), "refused": len(results) - len(good)}, zh=f"批量结果：{counts}", en="each row gets its own answer")
    world.step(
        zh=f"{world.cast.district_name}系统签名报送{len(results)}件：收件{counts['created']}件，退回{counts['refused']}件，互不影响",
        en=f"signed batch: {counts['created']} taken, {counts['refused']} refused, each by itself",
        clause="items",
    )
    lines = Counter(row.sent["item_id"] for row in good)
    require(set(lines) == set(titles), zh="应覆盖全部项目", en="every line is applied for")
    note(world.out, f"{len(lines)}个项目：" + "，".join(f"{titles[line]}{lines[line]}件" for line in titles))
    shown = table("每一件有误的，各有各的答复", "each wrong row, its own answer", "行", "问题", "答复", "说明")
    for row, result in zip(world.cast.filings, results, strict=True):
        if row.answer is None:
            continue
        problem = result["problem"] or {}
        told = problem.get("code")
        require(told == row.answer, zh=f"{row.reference}应答复{row.answer}，实为{told}", en="a wrong row gets its own code")
        shown.add_row(row.reference, row.wrong_zh, f"[red]{told}[/]", escape(explanation(problem)))
    world.out.print(shown)


def explanation(problem: dict[str, Any]) -> str:
    """Field problems say more than the sum of them."""
    errors = problem.get("errors") or [{"pointer": "", "detail_zh": problem["detail_zh"]}]
    return "；".join(f"{each['pointer'].rpartition('/')[2]} {each['detail_zh']}".strip() for each in errors)


async def file_again(world: World, *, district: Client, rows: list[dict[str, Any]], key: str, first: bytes, results: list[dict[str, Any]]) -> None:
    """With the same key the first answer comes back; as a new call, every row is known or is refused as before."""
    replayed = await district.post("/v1/applications:batch", json={"rows": rows}, idempotency_key=key)
    is_replay = replayed.content == first and replayed.headers["idempotency-replayed"] == "true"
    require(is_replay, zh="同一幂等键应逐字节返回首次答复", en="the same key gets the first answer, byte for byte")
    again = (await district.post("/v1/applications:batch", json={"rows": rows})).json()["results"]
    alike = [_gist(result) for result in results] == [_gist(result, was_new="unchanged") for result in again]
    require(alike, zh="再次报送应无变化，错误照旧", en="the batch again: unchanged, and refused alike")
    total = len(await rows_of(district, "/v1/applications"))
    require(total == len(world.cast.good), zh=f"应仍为{len(world.cast.good)}件，实为{total}件", en="no case was made twice")
    world.step(zh=f"同一批再报一次：{total}件无变化，有误的照旧退回；网络重发得到原答复", en="the same batch again changes nothing", clause="items")


def _gist(result: dict[str, Any], *, was_new: str = "created") -> tuple[str, str | None, str | None]:
    """Status, case and refusal; a row that was created is unchanged the second time."""
    status = "created" if result["status"] == was_new else result["status"]
    return status, (result["filed"] or {}).get("case_number"), (result["problem"] or {}).get("code")
