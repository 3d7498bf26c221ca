"""Act one: the city's institutions and parks are registered, and the year's money is entered."""

from collections import Counter
from typing import Any

from deploy.clients.client import Client
from deploy.demo.telling import require, table, yuan
from deploy.demo.world import World, refusal_of, rows_of


async def play(world: World) -> None:
    world.move_to("2025-09-01T09:05")
    registrar = await world.as_staff("registrar", service="registry")
    await import_institutions(world, registrar=registrar)
    for park in world.cast.parks:
        await register_park(registrar, park=park)
    world.step(
        zh=f"登记产业园{len(world.cast.parks)}家，含运营单位、认定和年度评估",
        en="parks with operators, recognitions and yearly assessments",
        clause="parks",
    )
    await show_institutions(world, registrar=registrar)
    await enter_appropriation(world)


async def import_institutions(world: World, *, registrar: Client) -> None:
    rows = [each.row for each in world.cast.institutions]
    first = await _import(registrar, rows=rows)
    require(first == {"created": len(rows)}, zh=f"首次导入应全部新建：{first}", en="the first import creates every row")
    world.step(zh=f"导入人力资源服务机构等单位{len(rows)}家，全部新建", en=f"{len(rows)} organisations imported", clause="registration")
    again = await _import(registrar, rows=rows)
    require(again == {"unchanged": len(rows)}, zh=f"重复导入不应有变化：{again}", en="importing again changes nothing")
    world.step(zh=f"同一名册再导入一次：{len(rows)}家均无变化", en="imported again: nothing changes", clause="registration")


async def _import(registrar: Client, *, rows: list[dict[str, Any]]) -> Counter[str]:
    answer = await registrar.post("/v1/organisations:import", json={"rows": rows})
    return Counter(each["status"] for each in answer.json()["results"])


async def register_park(registrar: Client, *, park: dict[str, Any]) -> None:
    facts = {name: park[name] for name in ("code", "name", "operator_uscc", "jurisdiction_id")}
    await registrar.post("/v1/parks", json=facts)
    for recognition in park["recognitions"]:
        await registrar.post(f"/v1/parks/{park['code']}/recognitions", json=recognition)
    for assessment in park["assessments"]:
        await registrar.post(f"/v1/parks/{park['code']}/assessments", json=assessment)


async def show_institutions(world: World, *, registrar: Client) -> None:
    organisations = await rows_of(registrar, "/v1/organisations")
    bases = {row["uscc"]: row["basis"] for row in await rows_of(registrar, "/v1/institutions")}
    parks = Counter(row["jurisdiction_id"] for row in await rows_of(registrar, "/v1/parks"))
    shown = table("八个区市的登记情况", "registered by district", "区市", "单位", "许可", "备案", "其他", "产业园", right=(1, 2, 3, 4, 5))
    for jurisdiction_id in dict.fromkeys(each.jurisdiction_id for each in world.cast.institutions):
        here = [row["uscc"] for row in organisations if row["jurisdiction_id"] == jurisdiction_id]
        by_basis = Counter(bases.get(uscc, "none") for uscc in here)
        counts = (len(here), by_basis["permit"], by_basis["filing"], by_basis["none"], parks[jurisdiction_id])
        shown.add_row(world.jurisdiction_name(jurisdiction_id), *map(str, counts))
    require(
        len(organisations) == len(world.cast.institutions), zh=f"应登记{len(world.cast.institutions)}家", en="every organisation can be read back"
    )
    world.out.print(shown)


async def enter_appropriation(world: World) -> None:
    finance = await world.as_staff("joint_finance", service="budget")
    entered = (await finance.post("/v1/appropriations", json=world.cast.appropriation)).json()
    world.step(
        zh=f"市财政登记{entered['fiscal_year']}年度专项资金{yuan(entered['amount_fen'])}元（{entered['document']}，凭证{entered['voucher']}）",
        en="the year's appropriation, with its document",
        clause="fund",
    )
    more = {**world.cast.appropriation, "amount_fen": 1, "document": "示例追加〔2025〕1号"}
    refused = await refusal_of(finance.post("/v1/appropriations", json=more))
    world.aside(zh=f"再追加1分被拒：{refused.problem['detail_zh']}", en=f"one fen more is refused ({refused.code})")
