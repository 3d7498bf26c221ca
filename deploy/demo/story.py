"""`make demo`: the whole story on real parts, from a district's file to money paid; then everything is stopped."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.panel import Panel

from deploy.clients.client import Refused
from deploy.demo import closing, filing_act, notice_act, payment_act, registry_act, review_act, telling
from deploy.demo.filing_act import Filed
from deploy.demo.notice_act import Announced
from deploy.demo.payment_act import Paid
from deploy.demo.review_act import Reviewed
from deploy.demo.stage import running_world
from deploy.demo.telling import NotAsTold, act
from deploy.demo.world import World
from deploy.local.folders import ROOT, STATE, AlreadyRunning
from deploy.local.ports import PortTaken
from deploy.local.stack import forget
from deploy.local.supervision import ProcessFailed

STOPPED_BY_SIGNAL = 130
TITLE = "[bold]人力资源服务业扶持资金：从区市报送到资金到账[/]\n[dim]from a district's file to money paid, on a real PostgreSQL and a real Kafka[/]"


def main(profile: Annotated[str, typer.Option(help="Name of the folder under .local/ that keeps the data.")] = "demo") -> None:
    """Tell the story on PostgreSQL, Kafka and the four services, and leave with everything stopped."""
    out = telling.console()
    sys.exit(exit_code_of(tell(profile, out=out), out=out))


def exit_code_of(told: Coroutine[Any, Any, None], *, out: Console) -> int:
    """0 only when everything came out as told and was stopped."""
    try:
        asyncio.run(told)
    except (NotAsTold, Refused, httpx.TransportError) as failed:
        out.print(f"\n故事中断 | The story broke off\n{failed or type(failed).__name__}", style="red", markup=False)
        return 1
    except (AlreadyRunning, PortTaken, ProcessFailed) as refused:
        out.print(str(refused), style="red", markup=False)
        return 1
    except asyncio.CancelledError:
        out.print("已中止 | Stopped before the end of the story.")
        return STOPPED_BY_SIGNAL
    return 0


async def tell(profile: str, *, out: Console) -> None:
    """Every run starts from nothing."""
    started_s = time.monotonic()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    out.print(Panel.fit(TITLE))
    forget(profile)
    # Beside the profile's folder, which the next run empties.
    facts_file = STATE / f"{profile}.json"
    async with running_world(profile, out=out, tell=starting(out)) as world:
        document, short = world.cast.clauses["document"], world.cast.clauses["short"]
        out.print(f"全部就绪，用时{time.monotonic() - started_s:.1f}秒  [dim]everything is ready[/]")
        out.print(f"〔〕内为依据，{short}即{document}；✗ 为系统拒绝或暂缓  [dim]the clause in 〔〕; ✗ is refused or held up[/]")
        closing.write((await play(world)).facts, file=facts_file)
    took_s = time.monotonic() - started_s
    out.print(f"\n最终事实见 {facts_file.relative_to(ROOT)}；全部进程已停止，共用时{took_s:.1f}秒  [dim]everything is stopped[/]")


def starting(out: Console) -> Callable[[str], None]:
    return lambda line: out.print(f"  [dim]{line}[/]", highlight=False)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What each act led to, and the facts as they were read back at the end."""

    filed: Filed
    reviewed: Reviewed
    announced: Announced
    paid: Paid
    facts: dict[str, Any]


async def play(world: World) -> Story:
    act(world.out, number="一", zh="摸清家底", en="who is there, and how much money")
    await registry_act.play(world)
    act(world.out, number="二", zh="批量报送", en="a district files 40 rows")
    filed = await filing_act.play(world)
    act(world.out, number="三", zh="受理与审核", en="acceptance and review")
    reviewed = await review_act.play(world, filed=filed)
    act(world.out, number="四", zh="公示与异议", en="public notice and objection")
    announced = await notice_act.play(world, filed=filed, reviewed=reviewed)
    act(world.out, number="五", zh="资金支付", en="payment")
    paid = await payment_act.play(world, filed=filed, announced=announced)
    act(world.out, number="六", zh="对账与回看", en="closing the books, looking back")
    facts = await closing.play(world, filed=filed, reviewed=reviewed, announced=announced, paid=paid)
    return Story(filed=filed, reviewed=reviewed, announced=announced, paid=paid, facts=facts)


if __name__ == "__main__":
    typer.run(main)
