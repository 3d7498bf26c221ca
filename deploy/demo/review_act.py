"""Act three: acceptance, three stages of review by different people, and the money reserved in rank order."""

import time
from dataclasses import dataclass
from typing import Any

from deploy.clients.client import Client
from deploy.demo.filing_act import Filed, document
from deploy.demo.fund import show_fund
from deploy.demo.telling import progress, require, table, yuan
from deploy.demo.world import World, until, wait_for_states

PORTAL_FAILURES = 12


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """References in rank order by what came of them, and the times from a reply to the applicant's message."""

    ranked: tuple[str, ...]
    funded: tuple[str, ...]
    waiting: tuple[str, ...]
    message_ms: tuple[float, ...]


async def play(world: World, *, filed: Filed) -> Reviewed:
    message_ms = await accept(world, filed=filed)
    await let_portal_fail(world)
    await review_by_district(world, filed=filed)
    ranked = tuple(row.reference for row in world.cast.good if row.award_fen is not None)
    await review_by_city(world, filed=filed, ranked=ranked)
    await review_jointly(world, filed=filed, ranked=ranked)
    cases = await wait_for_funding(world, filed=filed, ranked=ranked)
    funded = tuple(each for each in ranked if cases[filed.ids[each]]["state"] == "funded")
    waiting = tuple(each for each in ranked if each not in funded)
    show_ranks(world, filed=filed, cases=cases, ranked=ranked)
    await show_waiting(world, filed=filed, waiting=waiting)
    await show_fund(world, zh="联审之后的资金", en="the fund after the joint review")
    return Reviewed(ranked=ranked, funded=funded, waiting=waiting, message_ms=tuple(message_ms))


async def accept(world: World, *, filed: Filed) -> list[float]:
    """One by one, as they are looked at; two are held up, each for its own reason."""
    world.move_to("2025-09-09T09:00")
    district = await world.as_district(service="applications")
    held: dict[str, dict[str, Any]] = {}
    message_ms: list[float] = []
    with progress(world.out) as bar:
        for reference, application_id in bar.track(filed.ids.items(), description="逐件受理 | acceptance, one by one"):
            result = await decide(world, client=district, stage="acceptance", application_id=application_id)
            if result["status"] == "refused":
                held[reference] = result["problem"]
            else:
                message_ms.append(await time_to_message(world, case_number=result["case_number"], event_type="applications.application_accepted.v1"))
    story = world.cast.story
    expected = {story["corrected"]: "evidence-missing", story["newcomer"]: "applicant-unverified"}
    require({each: problem["code"] for each, problem in held.items()} == expected, zh=f"应有两件暂缓受理：{held}", en="two are held up")
    world.step(
        zh=f"区级受理{len(message_ms)}件，逐件告知申报单位",
        en=f"{len(message_ms)} accepted, each applicant told",
        clause="procedure",
    )
    for reference, problem in held.items():
        world.aside(zh=f"{reference} 暂不能受理：{problem['detail_zh']}", en=problem["code"])
    await correct(world, filed=filed, missing=held[story["corrected"]]["missing"])
    await register_newcomer(world, filed=filed)
    return message_ms


async def time_to_message(world: World, *, case_number: str, event_type: str, times: int = 1) -> float:
    """Milliseconds from now, the reply just received, until the message can be read over HTTP; `times`: told so often by then."""
    replied_s = time.perf_counter()
    notifications = await world.as_staff("auditor", service="notifications")

    async def ask() -> bool | None:
        rows = (await notifications.get("/v1/messages", params={"case_number": case_number, "limit": 20})).json()["rows"]
        return True if sum(row["event_type"] == event_type for row in rows) >= times else None

    await until(f"{case_number}的消息", what_en=f"a message {event_type} for {case_number}", ask=ask)
    return (time.perf_counter() - replied_s) * 1000


async def decide(
    world: World, *, client: Client, stage: str, application_id: str, verdict: str = "approve", reason: str | None = None
) -> dict[str, Any]:
    """One decision by the district's system, which names its officer."""
    officer = world.cast.district_officers["acceptance" if stage == "acceptance" else "review"]
    decision = {"application_id": application_id, "stage": stage, "verdict": verdict, **({"reason": reason} if reason else {})}
    answer = await client.post("/v1/reviews", json={"decisions": [decision], "officer": officer})
    result: dict[str, Any] = answer.json()["results"][0]
    return result


async def correct(world: World, *, filed: Filed, missing: list[str]) -> None:
    """Told once all that is missing; the district sends the row again, and the first filing day stays."""
    reference = world.cast.story["corrected"]
    district = await world.as_district(service="applications")
    reason = "缺少费用票据，请补齐后重新提交"
    returned = await decide(world, client=district, stage="acceptance", application_id=filed.ids[reference], verdict="return", reason=reason)
    require(returned["state"] == "returned", zh="应退回补正", en="returned for correction")
    case = (await district.get(f"/v1/applications/{filed.ids[reference]}")).json()
    world.step(zh=f"{reference} 一次告知补正，{case['due_on']}前补齐", en="asked once for all that is missing", clause="correction")
    world.move_to("2025-09-10T10:00")
    row = filed.sent[reference]
    whole = {**row, "evidence": [*row["evidence"], *(document(reference, kind=kind) for kind in missing)]}
    again = (await district.post("/v1/applications", json=whole)).json()
    kept = (await district.get(f"/v1/applications/{filed.ids[reference]}")).json()
    unmoved = again["status"] == "changed" and kept["filed_on"] == row["filed_on"] and kept["received_on"] == "2025-09-08"
    require(unmoved, zh="补正后首次申报日、收件日不变", en="a correction moves neither the filing day nor the day of receipt")
    accepted = await decide(world, client=district, stage="acceptance", application_id=filed.ids[reference])
    require(accepted["state"] == "accepted", zh="补正后应受理", en="accepted once it is complete")
    world.step(
        zh=f"{reference} 补齐后受理，首次申报日{kept['filed_on']}不变",
        en="corrected and accepted; its first filing day stays",
        clause="procedure",
    )


async def register_newcomer(world: World, *, filed: Filed) -> None:
    """Acceptance waits for the registry's fact; it arrives by itself."""
    registrar = await world.as_staff("registrar", service="registry")
    district = await world.as_district(service="applications")
    reference = world.cast.story["newcomer"]
    world.move_to("2025-09-11T09:00")
    await registrar.post("/v1/organisations:import", json={"rows": [world.cast.newcomer.row]})

    async def accepted() -> bool | None:
        result = await decide(world, client=district, stage="acceptance", application_id=filed.ids[reference])
        if result["status"] == "refused":
            require(result["problem"]["code"] == "applicant-unverified", zh=str(result["problem"]), en="only the fact is wanted")
        return True if result.get("state") == "accepted" else None

    await until(f"{reference}的单位登记信息到达", what_en="the registry's fact arrives", ask=accepted)
    world.step(
        zh=f"{reference} 单位登记入库后信息自动到达，随即受理",
        en="registered, then accepted: the fact came by itself",
        clause="procedure",
    )


async def let_portal_fail(world: World) -> None:
    """The portal is away for a moment: records are kept and sent again, in their order."""
    answer = await world.stack.probes.post(f"{world.portal.url}/fail", json={"calls": PORTAL_FAILURES}, headers={"token": world.portal.token})
    require(answer.is_success, zh="门户替身应可设为故障", en="the stand-in portal takes the order to fail")
    world.step(zh=f"省级门户短暂故障：接下来{PORTAL_FAILURES}次推送都会失败", en=f"the portal will fail {PORTAL_FAILURES} calls", clause="portal")


async def review_by_district(world: World, *, filed: Filed) -> None:
    world.move_to("2025-09-16T15:00")
    district = await world.as_district(service="applications")
    refused = world.cast.story["refused_at_district"]
    reason = "未列入重点发展扶持的项目，不符合申报条件"
    decisions = [
        {"application_id": application_id, "stage": "district", "verdict": "refuse", "reason": reason}
        if reference == refused
        else {"application_id": application_id, "stage": "district", "verdict": "approve"}
        for reference, application_id in filed.ids.items()
    ]
    officer = world.cast.district_officers["review"]
    answer = await district.post("/v1/reviews", json={"decisions": decisions, "officer": officer})
    require_decided(answer.json()["results"])
    world.step(
        zh=f"区市初审（系统报送，注明审核人{officer}）：同意{len(decisions) - 1}件，不予支持1件",
        en="district review, its officer named",
        clause="procedure",
    )
    world.aside(zh=f"{refused} 不予支持：{reason}；救济途径随消息告知", en="refused with reason and remedy")


async def review_by_city(world: World, *, filed: Filed, ranked: tuple[str, ...]) -> None:
    world.move_to("2025-09-19T10:00")
    reviewer = await world.as_staff("reviewer", service="applications")
    decisions = [{"application_id": filed.ids[each], "stage": "city", "verdict": "approve"} for each in ranked]
    require_decided((await reviewer.post("/v1/reviews", json={"decisions": decisions})).json()["results"])
    world.step(zh=f"市级复核：同意{len(decisions)}件", en=f"city review: {len(decisions)} approved", clause="city")


async def review_jointly(world: World, *, filed: Filed, ranked: tuple[str, ...]) -> None:
    """Both bureaus, two people who had no hand in it before, on one sum and in one meeting; the order of the decisions is the rank."""
    world.move_to("2025-09-24T14:00")
    awards = {row.reference: row.award_fen or 0 for row in world.cast.good}
    common = {"stage": "joint", "verdict": "approve", "minutes_number": world.cast.minutes_number}
    decisions = [{**common, "application_id": filed.ids[each], "amount_fen": awards[each]} for each in ranked]
    reviewer = await world.as_staff("reviewer", service="applications")
    bureau = await world.as_staff("joint_hr", service="applications")
    finance = await world.as_staff("joint_finance", service="applications")
    twice = (await reviewer.post("/v1/reviews", json={"decisions": decisions[:1]})).json()["results"][0]
    require(twice["problem"]["code"] == "same-person-twice", zh=f"复核人员不得再联审：{twice}", en="nobody decides twice")
    world.aside(zh=f"复核人员想再作联审：{twice['problem']['detail_zh']}", en="nobody decides twice")
    require_decided((await bureau.post("/v1/reviews", json={"decisions": decisions})).json()["results"])
    world.step(
        zh=f"联审·人社：核定{len(decisions)}件金额（{world.cast.minutes_number}）", en="joint review, HR: sums set, minutes named", clause="joint"
    )
    other = {**decisions[1], "amount_fen": awards[ranked[1]] - 1}
    differs = (await finance.post("/v1/reviews", json={"decisions": [other]})).json()["results"][0]
    require(differs["problem"]["code"] == "amounts-differ", zh=f"两家金额应一致：{differs}", en="both must set the same sum")
    world.aside(zh=f"财政填错1分：{differs['problem']['detail_zh']}", en="one fen apart is refused")
    require_decided((await finance.post("/v1/reviews", json={"decisions": decisions})).json()["results"])
    world.step(
        zh=f"联审·财政：同意{len(decisions)}件，次序即排名，提请安排资金",
        en="joint review, finance: agreed, ranked, proposed",
        clause="joint",
    )


async def wait_for_funding(world: World, *, filed: Filed, ranked: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Who is served follows from the ranks and the fund alone: worked out here, and then looked for."""
    available_fen = int(world.cast.appropriation["amount_fen"])
    awards = {row.reference: row.award_fen or 0 for row in world.cast.good}
    wanted = {}
    for reference in ranked:
        fits = awards[reference] <= available_fen
        available_fen -= awards[reference] if fits else 0
        wanted[filed.ids[reference]] = "funded" if fits else "waiting_for_funds"
    cases = await wait_for_states(world, wanted=wanted, what_zh="资金安排结果", what_en="the budget's answer to every case")
    refused = filed.ids[world.cast.story["refused_at_district"]]
    require(cases[refused]["state"] == "refused", zh="初审未通过的应为不予支持", en="the refused one stays refused")
    return cases


def show_ranks(world: World, *, filed: Filed, cases: dict[str, dict[str, Any]], ranked: tuple[str, ...]) -> None:
    headings = ("名次", "行", "案件", "申报单位", "项目", "申请(元)", "核定(元)", "状态")
    shown = table("联审结果与资金安排", "ranks, sums and money", *headings, right=(0, 5, 6))
    for rank, reference in enumerate(ranked, start=1):
        case = cases[filed.ids[reference]]
        style = "green" if case["state"] == "funded" else "yellow"
        applicant = world.cast.short_name(case["applicant_uscc"])
        shown.add_row(
            str(rank),
            reference,
            case["case_number"],
            applicant,
            filed.titles[case["item_id"]],
            yuan(case["requested_fen"]),
            yuan(case["amount_fen"]),
            f"[{style}]{case['state_zh']}[/]",
        )
    world.out.print(shown)


async def show_waiting(world: World, *, filed: Filed, waiting: tuple[str, ...]) -> None:
    """The budget's own list, in rank order: the park's award leads it because it does not fit."""
    auditor = await world.as_staff("auditor", service="budget")
    year = world.cast.appropriation["fiscal_year"]
    rows = (await auditor.get("/v1/waiting-list", params={"fiscal_year": year})).json()["rows"]
    listed = [row["application_id"] for row in rows]
    require(listed == [filed.ids[each] for each in waiting], zh=f"等待名单应按名次排列：{listed}", en="the waiting list is in rank order")
    require(waiting[0] == world.cast.story["park_waits"], zh="产业园补助应排在首位等待", en="the park's award waits first")
    told = "、".join(f"{row['case_number']}（{yuan(row['amount_fen'])}元）" for row in rows)
    world.step(zh=f"资金不足的列入等待名单：{told}", en="what does not fit waits, in rank order", clause="joint")


def require_decided(results: list[dict[str, Any]]) -> None:
    problems = [result["problem"] for result in results if result["status"] != "decided"]
    require(not problems, zh=f"审核意见应全部生效：{problems}", en="every decision is taken")
