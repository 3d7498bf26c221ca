"""What the story left behind, read through the APIs alone: cases, fund and journal, notices, messages, and what the portal has."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from deploy.demo.filing_act import Filed
from deploy.demo.fund import STATES, fund_of
from deploy.demo.telling import require
from deploy.demo.world import World, rows_of, until

# Where each state of the fund stands in the books.
ACCOUNTS = {"available_fen": "指标:可用", "reserved_fen": "指标:已预留", "in_transit_fen": "支付申请:在途", "paid_fen": "支付:已支付"}
SOURCE = "来源:年度批复"


async def read_cases(world: World, *, filed: Filed) -> dict[str, dict[str, Any]]:
    """Every case with its whole history, by row reference."""
    auditor = await world.as_staff("auditor", service="applications")
    return {reference: (await auditor.get(f"/v1/applications/{each}")).json() for reference, each in filed.ids.items()}


async def read_journal(world: World) -> dict[str, Any]:
    """The balances worked out anew from every posting; they must be those that the ledger shows."""
    auditor = await world.as_staff("auditor", service="budget")
    year = world.cast.appropriation["fiscal_year"]
    entries = await rows_of(auditor, "/v1/ledger/entries", fiscal_year=year)
    added: Counter[str] = Counter()
    # What was refused or waits stands in the journal too, and moves nothing.
    for entry in [each for each in entries if each["outcome"] == "posted"]:
        added[account_name(entry["cr"])] += entry["amount_fen"]
        added[account_name(entry["dr"])] -= entry["amount_fen"]
    fund = await fund_of(world)
    again = {state: added[ACCOUNTS[state]] for state in STATES}
    require(again == {state: fund[state] for state in STATES}, zh=f"分录合计与余额不符：{again}", en="the journal re-adds to the balances")
    require(-added[SOURCE] == fund["appropriated_fen"], zh="分录中的批复与账面不符", en="the journal re-adds to the appropriation")
    vouchers = {entry["voucher"] for entry in entries if entry["voucher"]}
    gapless = [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    require(gapless, zh="分录序号应连续", en="the journal has no gap")
    return {
        "entries": len(entries),
        "vouchers": len(vouchers),
        "readded": again,
        "as_of_seq": fund["as_of_seq"],
    }


def account_name(code: str) -> str:
    """2025/指标:已预留[case=…] is of 指标:已预留."""
    return code.partition("/")[2].partition("[")[0]


async def read_messages(world: World) -> list[dict[str, Any]]:
    """Every message, once it is as told: one for each step that is told."""
    auditor = await world.as_staff("auditor", service="notifications")
    messages = await rows_of(auditor, "/v1/messages")
    told = Counter((each["application_id"], each["case_version"], each["event_type"]) for each in messages)
    require(max(told.values()) == 1, zh="同一步骤重复告知", en="a step is told once")
    return messages


async def read_portal(world: World, *, ended: int) -> dict[str, Any]:
    """Wait until the portal has everything, the end of each ended case too; then compare, case by case, what it has and in which order."""
    auditor = await world.as_staff("auditor", service="notifications")

    async def all_taken() -> bool | None:
        counts = (await auditor.get("/v1/portal-records/summary")).json()["counts"]
        done = sum(each["records"] for each in counts if each["kind"] == "done")
        return True if done == ended and {each["state"] for each in counts} == {"accepted"} else None

    await until("全部办件记录送达省级门户", what_en="the portal has taken every record", ask=all_taken)
    ours = await rows_of(auditor, "/v1/portal-records")
    there = (await world.stack.probes.get(f"{world.portal.url}/records", headers={"token": world.portal.token})).json()
    in_order = _by_case(ours, of_ours=True) == _by_case(there["records"], of_ours=False)
    require(in_order, zh="门户收到的内容和次序应与上报一致", en="the portal has every record, in order")
    require(not there["refused"], zh=f"门户拒收：{there['refused']}", en="the portal refused nothing")
    return {
        "cases": len({each["projid"] for each in ours}),
        "records": len(there["records"]),
        "by_kind": dict(Counter(each["kind"] for each in there["records"])),
        "sent_again": sum(each["attempts"] > 1 for each in ours),
        "refused": len(there["refused"]),
        "in_order": in_order,
    }


def _by_case(records: Sequence[dict[str, Any]], *, of_ours: bool) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """Kind and content of each case's records: ours by position, the portal's as they came. The mobile number is only ever sent."""
    found: dict[str, list[tuple[str, dict[str, str]]]] = {}
    in_order = sorted(records, key=lambda each: int(each["position"])) if of_ours else records
    for each in in_order:
        content = {name: value for name, value in each["content"].items() if name != "applicantmobile"}
        found.setdefault(content["projid"], []).append((each["kind"], content))
    return found
