"""The close: the fund, one case from first to last, what was told to whom, how fast; and the facts in one file."""

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.markup import escape

from deploy.demo.evidence import show_evidence
from deploy.demo.filing_act import Filed
from deploy.demo.fund import show_fund_by_line
from deploy.demo.notice_act import Announced
from deploy.demo.payment_act import Paid
from deploy.demo.readback import read_cases, read_journal, read_messages, read_portal
from deploy.demo.review_act import Reviewed
from deploy.demo.telling import note, require, table, yuan
from deploy.demo.world import World, rows_of

KINDS_ZH = {"basic": "基本信息", "process": "过程", "special": "特别程序", "done": "办结"}
ENDS = ("paid", "refused")
HOW_MEASURED = "收到HTTP回执起，至能从消息接口读到告知为止，由演示程序在外部逐件计时（含查询往返）"


async def play(world: World, *, filed: Filed, reviewed: Reviewed, announced: Announced, paid: Paid) -> dict[str, Any]:
    cases = await read_cases(world, filed=filed)
    portal = await read_portal(world, ended=sum(case["state"] in ENDS for case in cases.values()))
    messages = await read_messages(world)
    fund = await show_fund_by_line(world)
    journal = await read_journal(world)
    zh = f"{journal['entries']}笔分录、{journal['vouchers']}张凭证逐笔重加，与余额一致"
    world.step(zh=zh, en="the journal re-adds to the balances", clause="payment")
    show_ends(world, cases=cases)
    show_timeline(world, case=cases[world.cast.story["bank_returned"]], filed=filed)
    show_told(world, messages=messages, portal=portal, refused=cases[world.cast.story["refused_at_district"]])
    effect = {
        "one_hop_ms": times(reviewed.message_ms),
        "two_hops_ms": times(paid.message_ms),
        "how": HOW_MEASURED,
    }
    show_effect(world, effect=effect)
    check_ends(world, cases=cases, announced=announced, paid=paid)
    evidence = await show_evidence(world, entries=journal["entries"])
    return {
        "business_time": world.stack.business_now().isoformat(timespec="seconds"),
        "cases": {reference: gist(case) for reference, case in cases.items()},
        "fund": fund,
        "journal": journal,
        "evidence": evidence,
        "waiting_list": await waiting_list(world),
        "notices": await notices(world),
        "messages": {"total": len(messages), "by_event": dict(Counter(each["event_type"] for each in messages))},
        "portal": portal,
        "effect": effect,
    }


def write(facts: dict[str, Any], *, file: Path) -> None:
    file.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def check_ends(world: World, *, cases: dict[str, dict[str, Any]], announced: Announced, paid: Paid) -> None:
    """Everyone who is funded is paid; nobody else is."""
    story = world.cast.story
    ends = dict.fromkeys(paid.paid, "paid")
    ends |= {story["objected"]: "refused", story["refused_at_district"]: "refused"}
    ends |= {story["park_waits"]: "waiting_for_funds", story["still_waits"]: "waiting_for_funds"}
    found = {reference: case["state"] for reference, case in cases.items()}
    require(found == ends, zh=f"结局与故事不符：{found}", en="every case ends as told")
    confirmed = {step["on"] for each in announced.confirmed_first for step in cases[each]["history"] if step["action"] == "confirm"}
    require(confirmed == {announced.first["closes_on"]}, zh=f"应于{announced.first['closes_on']}确认：{confirmed}", en="confirmed on the closing day")


def show_ends(world: World, *, cases: dict[str, dict[str, Any]]) -> None:
    counts = Counter(case["state_zh"] for case in cases.values())
    paid_fen = sum(case["amount_fen"] for case in cases.values() if case["state"] == "paid")
    told = "，".join(f"{state}{count}件" for state, count in counts.most_common())
    world.step(zh=f"{len(cases)}件的结局：{told}；到账合计{yuan(paid_fen)}元", en="how the cases ended", clause="fund")
    for case in (each for each in cases.values() if each["state"] == "waiting_for_funds"):
        applicant = world.cast.short_name(case["applicant_uscc"])
        note(world.out, f"{case['state_zh']}：{case['case_number']} {applicant} {yuan(case['amount_fen'])}元。{case['next_step_zh']}")


def show_timeline(world: World, *, case: dict[str, Any], filed: Filed) -> None:
    applicant = world.cast.short_name(case["applicant_uscc"])
    title = f"一件的全过程：{case['case_number']} {filed.titles[case['item_id']]} {applicant}"
    shown = table(title, "one case, step by step", "时间", "步骤", "办理", "依据", "规则版本")
    for step in case["history"]:
        at = datetime.fromisoformat(step["at"]).astimezone(world.stack.business_now().tzinfo)
        what = world.cast.actions[step["action"]] + (f"（{step['reason']}）" if step["reason"] else "")
        shown.add_row(f"{at:%m-%d %H:%M}", what, world.who(step["officer"] or step["caller"]), step["clause"], step["rule_version"])
    world.out.print(shown)


def show_told(world: World, *, messages: Sequence[dict[str, Any]], portal: dict[str, Any], refused: dict[str, Any]) -> None:
    organisations = len({each["uscc"] for each in messages})
    world.step(zh=f"告知消息{len(messages)}条，送达{organisations}家单位的收件箱，一步一条", en="messages, one a step", clause="city")
    newest = max(messages, key=lambda each: str(each["happened_at"]))
    refusal = next(each for each in messages if each["application_id"] == refused["id"] and each["remedy"])
    note(world.out, f"[dim]如：{escape(newest['title'])}｜{escape(newest['body'])}[/]")
    note(world.out, f"[dim]又如：{escape(refusal['title'])}｜{escape(refusal['body'])}{escape(refusal['next_step'])}｜{escape(refusal['remedy'])}[/]")
    kinds = "，".join(f"{KINDS_ZH[kind]}{portal['by_kind'][kind]}条" for kind in KINDS_ZH if kind in portal["by_kind"])
    world.step(
        zh=f"省级门户收到{portal['cases']}件的{portal['records']}条记录（{kinds}），逐件按序，无一拒收；其中{portal['sent_again']}条因门户故障重送",
        en="the portal has every record, in order",
        clause="portal",
    )


def times(samples_ms: Sequence[float]) -> dict[str, float]:
    ranked = sorted(samples_ms)
    return {"samples": len(ranked), "median": round(statistics.median(ranked), 1), "max": round(ranked[-1], 1)}


def show_effect(world: World, *, effect: dict[str, Any]) -> None:
    shown = table("办理之后多久告知到", "from the reply of an act to the message", "经过", "次数", "中位(毫秒)", "最长(毫秒)", right=(1, 2, 3))
    for name, zh in (("one_hop_ms", "受理：申报 → 消息"), ("two_hops_ms", "审批：资金 → 申报 → 消息")):
        shown.add_row(zh, str(effect[name]["samples"]), f"{effect[name]['median']:.1f}", f"{effect[name]['max']:.1f}")
    world.out.print(shown)
    note(world.out, f"[dim]{effect['how']}[/]")


def gist(case: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "case_number", "version", "state", "item_id", "applicant_uscc", "requested_fen", "amount_fen", "filed_on", "received_on")
    steps = [{name: step[name] for name in ("action", "to_state", "on", "clause", "rule_version")} for step in case["history"]]
    return {**{name: case[name] for name in kept}, "steps": steps}


async def waiting_list(world: World) -> list[dict[str, Any]]:
    auditor = await world.as_staff("auditor", service="budget")
    return await rows_of(auditor, "/v1/waiting-list", fiscal_year=world.cast.appropriation["fiscal_year"])


async def notices(world: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await world.stack.probes.get(f"{world.stack.urls['applications']}/v1/notices")).json()["rows"]
    return rows
