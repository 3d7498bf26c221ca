"""The fund as the ledger tells it: appropriated = available + reserved + in transit + paid, checked each time it is shown."""

from typing import Any

from deploy.demo.telling import note, require, table, yuan
from deploy.demo.world import World

STATES = ("available_fen", "reserved_fen", "in_transit_fen", "paid_fen")


async def fund_of(world: World) -> dict[str, Any]:
    auditor = await world.as_staff("auditor", service="budget")
    year = world.cast.appropriation["fiscal_year"]
    found: dict[str, Any] = (await auditor.get("/v1/ledger/balances", params={"fiscal_year": year})).json()
    balanced = found["appropriated_fen"] == sum(found[state] for state in STATES)
    require(balanced, zh=f"资金账不平：{found}", en="appropriated = available + reserved + in transit + paid")
    return found


async def show_fund(world: World, *, zh: str, en: str) -> dict[str, Any]:
    found = await fund_of(world)
    shown = table(zh, en, "批复", "= 可用", "+ 已预留", "+ 在途", "+ 已支付", right=(0, 1, 2, 3, 4))
    shown.add_row(yuan(found["appropriated_fen"]), *(yuan(found[state]) for state in STATES))
    world.out.print(shown)
    return found


async def show_fund_by_line(world: World) -> dict[str, Any]:
    found = await fund_of(world)
    shown = table("专项资金账", "the fund, by line", "项目", "已预留(元)", "在途(元)", "已支付(元)", right=(1, 2, 3))
    for line in found["lines"]:
        shown.add_row(f"{line['line_id']} {line['title_zh']}", *(yuan(line[state]) for state in STATES[1:]))
    shown.add_section()
    shown.add_row("合计", *(f"[bold]{yuan(found[state])}[/]" for state in STATES[1:]))
    world.out.print(shown)
    for state in STATES[1:]:
        require(found[state] == sum(line[state] for line in found["lines"]), zh=f"{state}分项合计不符", en="the lines add up")
    parts = " + ".join(f"{name}{yuan(found[state])}" for name, state in zip(("可用", "已预留", "在途", "已支付"), STATES, strict=True))
    note(world.out, f"[bold]批复{yuan(found['appropriated_fen'])} = {parts}[/]  [green]✓ 平衡[/]")
    return found
