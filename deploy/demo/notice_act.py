"""Act four: the funded cases on public notice over a holiday; an objection is upheld, and its money funds the next in rank that fits."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx

from deploy.clients.client import Client
from deploy.demo.filing_act import Filed
from deploy.demo.fund import show_fund
from deploy.demo.review_act import Reviewed
from deploy.demo.telling import note, require, yuan
from deploy.demo.world import World, all_in, refusal_of, rows_of, wait_for_states
from shared import workdays

WEEKDAYS_ZH = "一二三四五六日"
COUNTED = "①②③④⑤⑥⑦⑧⑨⑩"


@dataclass(frozen=True, kw_only=True)
class Announced:
    """Both notices as opened, and the references whose awards were confirmed by each."""

    first: dict[str, Any]
    second: dict[str, Any]
    confirmed_first: tuple[str, ...]
    confirmed_second: tuple[str, ...]


async def play(world: World, *, filed: Filed, reviewed: Reviewed) -> Announced:
    story = world.cast.story
    first = await open_notice(world, filed=filed, reviewed=reviewed)
    objection = await object_to(world, filed=filed, notice=first)
    await uphold(world, filed=filed, objection=objection)
    second = await announce_next(world, filed=filed)
    confirmed = tuple(each for each in reviewed.funded if each != story["objected"])
    await close_first(world, filed=filed, notice=first, confirmed=confirmed)
    return Announced(first=first, second=second, confirmed_first=confirmed, confirmed_second=(story["next_funded"],))


async def open_notice(world: World, *, filed: Filed, reviewed: Reviewed) -> dict[str, Any]:
    world.move_to("2025-09-26T10:00")
    officer = await world.as_staff("city", service="applications")
    waiting = [filed.ids[reviewed.waiting[0]]]
    refused = await refusal_of(officer.post("/v1/notices", json={"applications": waiting}))
    require(refused.code == "not-funded", zh=str(refused), en="nothing is announced that is not funded")
    world.aside(zh=f"想把等待资金的产业园先公示：{refused.problem['detail_zh']}", en="nothing is announced that is not funded")
    notice = await announce(world, officer=officer, ids=[filed.ids[each] for each in reviewed.funded])
    world.step(
        zh=f"发布公示{notice['number']}：{len(reviewed.funded)}件，{notice['first_day']}至{notice['last_day']}（5个工作日），{notice['closes_on']}期满确认",
        en="public notice over the National Day holiday",
        clause="notice",
    )
    note(world.out, calendar_strip(notice))
    on_notice = all_in("on_notice", ids=[filed.ids[each] for each in reviewed.funded])
    await wait_for_states(world, wanted=on_notice, what_zh="进入公示", what_en="every funded case on notice")
    return notice


async def announce(world: World, *, officer: Client, ids: list[str]) -> dict[str, Any]:
    """The notice as the public reads it, with what the reply said of its days."""
    opened = (await officer.post("/v1/notices", json={"applications": ids})).json()
    published = (await world.stack.probes.get(f"{world.stack.urls['applications']}/v1/notices")).json()["rows"]
    notice: dict[str, Any] = next(each for each in published if each["id"] == opened["id"])
    same_days = all(notice[name] == opened[name] for name in ("number", "first_day", "last_day", "closes_on"))
    require(same_days and len(notice["cases"]) == len(ids), zh="公众查到的公示应与发布的一致", en="the public reads what was opened")
    return notice


def calendar_strip(notice: dict[str, Any]) -> str:
    """Day by day: which days count, which are rest days by the published calendar."""
    calendar = workdays.load()
    makeup = {day for year in calendar.years for day in year.makeup_workdays()}
    day, closes_on = date.fromisoformat(notice["first_day"]), date.fromisoformat(notice["closes_on"])
    told, counted, resting = [f"{day:%m-%d}发布"], 0, 0
    while day < closes_on:
        day += timedelta(days=1)
        if not calendar.is_workday(day):
            resting += 1
            continue
        if resting:
            told.append(f"[dim]…休{resting}天…[/]")
            resting = 0
        mark = f"（周{WEEKDAYS_ZH[day.weekday()]}调休上班）" if day in makeup else ""
        told.append(f"[bold]{day:%m-%d}期满确认[/]{mark}" if day == closes_on else f"{day:%m-%d}{COUNTED[counted]}{mark}")
        counted += 1
    return " → ".join(told)


async def object_to(world: World, *, filed: Filed, notice: dict[str, Any]) -> httpx.Response:
    """Entered with the instant of its receipt, and admitted: the case rests, its money stays reserved. Returns the objection."""
    world.move_to("2025-09-29T15:30")
    reference = world.cast.story["objected"]
    officer = await world.as_staff("city", service="applications")
    told = {
        "notice_id": notice["id"],
        "application_id": filed.ids[reference],
        "grounds": "该项目与本单位已享受支持的项目内容重复",
        "received_at": "2025-09-29T10:20:00+08:00",
    }
    entered = await officer.post("/v1/objections", json=told)
    admitted = await decide(officer, objection=entered, decision="admitted", reason="反映情况具体，需要核查")
    require(admitted.json()["case_state"] == "suspended", zh="异议受理后应暂停", en="an admitted objection suspends the case")
    world.step(zh=f"收到并受理对{reference}的异议：该件暂停，资金继续预留", en="objection admitted: suspended, money still held", clause="notice")
    return admitted


async def uphold(world: World, *, filed: Filed, objection: httpx.Response) -> None:
    """The money comes back and serves the list in the same transaction: the park's award is still too large, the next one fits."""
    world.move_to("2025-09-30T11:00")
    story = world.cast.story
    objected, following = filed.ids[story["objected"]], filed.ids[story["next_funded"]]
    officer = await world.as_staff("city", service="applications")
    await decide(officer, objection=objection, decision="upheld", reason="经核查，该项目内容重复，异议成立")
    waiting = all_in("waiting_for_funds", ids=[filed.ids[story["park_waits"]], filed.ids[story["still_waits"]]])
    wanted = {objected: "refused", following: "funded", **waiting}
    cases = await wait_for_states(world, wanted=wanted, what_zh="资金释放并顺延", what_en="money released, the next one funded")
    released, reserved = await same_moment(world, released=objected, reserved=following)
    world.step(
        zh=f"异议成立：{cases[objected]['case_number']}的{yuan(released['amount_fen'])}元释放（凭证{released['voucher']}）",
        en="objection upheld, its money released",
        clause="fund",
    )
    park_fen = cases[filed.ids[story["park_waits"]]]["amount_fen"]
    got = f"{cases[following]['case_number']}获得{yuan(reserved['amount_fen'])}元（凭证{reserved['voucher']}）"
    world.step(
        zh=f"同一笔事务顺延：首位的产业园{yuan(park_fen)}元仍放不下，{got}",
        en="in the same transaction the next in rank that fits is funded",
        clause="fund",
    )
    await show_fund(world, zh="释放与顺延之后的资金", en="after release and succession")


async def decide(officer: Client, *, objection: httpx.Response, decision: str, reason: str) -> httpx.Response:
    """Decide on an objection as it stood in the reply of the step before."""
    told = {"decision": decision, "reason": reason}
    return await officer.post(f"/v1/objections/{objection.json()['id']}:decide", json=told, if_match=objection.headers["etag"])


async def same_moment(world: World, *, released: str, reserved: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two postings: one after the other in the journal, for one act."""
    auditor = await world.as_staff("auditor", service="budget")
    out = next(row for row in await rows_of(auditor, "/v1/ledger/entries", application_id=released, outcome="posted") if row["kind"] == "release")
    back = next(row for row in await rows_of(auditor, "/v1/ledger/entries", application_id=reserved, outcome="posted") if row["kind"] == "reserve")
    together = back["seq"] == out["seq"] + 1 and (back["caller"], back["key"]) == (out["caller"], out["key"])
    require(together, zh=f"释放与顺延应为同一事务：{out['seq']} {back['seq']}", en="released and reserved by one act, one posting after the other")
    return out, back


async def announce_next(world: World, *, filed: Filed) -> dict[str, Any]:
    officer = await world.as_staff("city", service="applications")
    reference = world.cast.story["next_funded"]
    notice = await announce(world, officer=officer, ids=[filed.ids[reference]])
    world.step(
        zh=f"顺延的{reference}另行公示{notice['number']}：至{notice['last_day']}，{notice['closes_on']}期满确认",
        en="the one that moved up gets a notice of its own",
        clause="notice",
    )
    return notice


async def close_first(world: World, *, filed: Filed, notice: dict[str, Any], confirmed: tuple[str, ...]) -> None:
    """On the last day it is still open; on the closing day the awards are confirmed by themselves."""
    world.move_to(f"{notice['last_day']}T16:00")
    ids = [filed.ids[each] for each in confirmed]
    cases = await wait_for_states(world, wanted=all_in("on_notice", ids=ids), what_zh="最后一天仍在公示", what_en="still on notice on the last day")
    counts = Counter(case["state_zh"] for case in cases.values())
    told = "，".join(f"{state}{count}件" for state, count in counts.items())
    world.step(zh=f"公示最后一天：{told}", en="the last day: still open", clause="notice")
    world.move_to(f"{notice['closes_on']}T12:00")
    await wait_for_states(world, wanted=all_in("confirmed", ids=ids), what_zh="公示期满自动确认", what_en="awards confirmed when the notice closes")
    world.step(zh=f"公示期满，{len(ids)}件自动确认支持", en="closed: awards confirmed by themselves", clause="notice")


async def close_second(world: World, *, filed: Filed, announced: Announced) -> None:
    world.move_to(f"{announced.second['closes_on']}T12:00")
    ids = [filed.ids[each] for each in announced.confirmed_second]
    await wait_for_states(world, wanted=all_in("confirmed", ids=ids), what_zh="第二次公示期满确认", what_en="the second notice closes")
    world.step(zh=f"公示{announced.second['number']}期满，{len(ids)}件确认支持", en="the second notice closed", clause="notice")
