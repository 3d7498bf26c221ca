"""Every verb of the budget over HTTP, in any order, beside books of plain Python: what is refused changes nothing, and every fen is where it must be.

LEDGER_STEPS=200000 runs that many steps and LEDGER_SEED repeats a run; without them a bounded, always equal share.
"""

import json
import logging
import os
import re
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from deploy.local.folders import ROOT
from tests.integration.budget.machine_award_acts import AWARDS_MAX
from tests.integration.budget.machine_batch_acts import BATCH_FLAWS, BatchActs
from tests.integration.budget.machine_paper_acts import FLAWS
from tests.integration.budget.machine_world import World
from tests.runtime import TemplateDatabase

STEPS_IN_CI = 2_000
STEPS_PER_EXAMPLE = 100
STEPS_FOR_EVERY_VERB = 20_000
SEED = 20_230_612

# One number picks among what there is at that moment, so that a long run needs little randomness.
PICK = st.integers(0, 255)
FEN = st.sampled_from([1, 700, 25_000, 40_000, 60_000, 100_000, 250_000])
FLIP = st.booleans()
WRONG = st.sampled_from([False, False, False, True])
SIZE = st.sampled_from([1, 3, 8])
# What a district or the treasury says of payments: which, its outcome, and what is wrong with the row.
FLAWS_OF_ROWS = ("none", "none", "none", "amount", "payee", "stranger", "early", "tomorrow", "same_voucher")
ROWS = st.lists(st.tuples(PICK, st.sampled_from(["paid", "paid", "returned"]), st.sampled_from(FLAWS_OF_ROWS)), min_size=1, max_size=4)
FLAWS_OF_MISUSE = st.sampled_from(["none", "none", "none", "none", "too_much", "stranger", "twice", "tomorrow", "article"])


class Machine(RuleBasedStateMachine):
    """Each rule is one call or one event; `BatchActs` and those it goes on from predict its answer, send it and compare."""

    template: TemplateDatabase

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.template)
        self.acts = BatchActs(self.world)

    @initialize(fen=st.sampled_from([100_000, 300_000, 3_000_000]), by_quota=FLIP, pick=PICK)
    def begin(self, fen: int, by_quota: bool, pick: int) -> None:
        """Many runs begin in the middle of a year: what follows from a payment would else be seldom reached."""
        if by_quota:
            self.acts.change_route()
        self.acts.appropriate(year=2024, fen=fen)
        for _ in range(pick % 4):
            self.acts.reserve(pick // 4, fens=[700, 25_000, 40_000], mode="event")
            self.acts.send_many(pick)

    @rule(pick=PICK, fen=FEN)
    def appropriate(self, pick: int, fen: int) -> None:
        self.acts.appropriate(year=(2024, 2025, 2026)[pick % 3], fen=fen if pick < 250 else 199_999_999)

    @rule(pick=PICK, fen=FEN, dry_run=WRONG)
    def allot(self, pick: int, fen: int, dry_run: bool) -> None:
        self.acts.allot(pick, fen=fen, dry_run=dry_run)

    @rule(pick=PICK, fens=st.lists(FEN, min_size=1, max_size=3), mode=st.sampled_from(["single", "single", "single", "atomic", "dry_run", "event"]))
    def reserve(self, pick: int, fens: list[int], mode: str) -> None:
        self.acts.reserve(pick, fens=fens, mode=mode)

    @rule(pick=PICK, size=st.sampled_from([4, 9, 17, 40]), mode=st.sampled_from(["single", "atomic", "dry_run", "event"]))
    def reserve_many(self, pick: int, size: int, mode: str) -> None:
        self.acts.reserve_many(pick, size=AWARDS_MAX if pick in (7, 248) and mode != "dry_run" else size, mode=mode)

    @rule(pick=PICK)
    def release_early(self, pick: int) -> None:
        self.acts.release_early(pick)

    @precondition(lambda self: self.acts.model.early)
    @rule(pick=PICK)
    def propose_late(self, pick: int) -> None:
        self.acts.propose_late(pick)

    @precondition(lambda self: self.acts.proposals)
    @rule(pick=PICK)
    def propose_again(self, pick: int) -> None:
        self.acts.propose_again(pick)

    @precondition(lambda self: self.acts.model.cases)
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        self.acts.release(pick)

    @precondition(lambda self: self.acts.of("waiting", "reserved"))
    @rule(pick=PICK, wrong=WRONG)
    def confirm(self, pick: int, wrong: bool) -> None:
        self.acts.confirm(pick, wrong=wrong)

    @precondition(lambda self: self.acts.of("waiting", "reserved"))
    @rule(pick=PICK, everybody=WRONG)
    def enter_account(self, pick: int, everybody: bool) -> None:
        self.acts.enter_account(pick, everybody=everybody)

    @precondition(lambda self: self.acts.model.cases)
    @rule(pick=PICK, everybody=WRONG)
    def make_order(self, pick: int, everybody: bool) -> None:
        self.acts.make_order(pick, everybody=everybody)

    @precondition(lambda self: self.acts.model.orders)
    @rule(pick=PICK, step=st.sampled_from(["check", "approve", "approve", "reject", "withdraw"]), everybody=WRONG, stale=WRONG)
    def decide_order(self, pick: int, step: str, everybody: bool, stale: bool) -> None:
        self.acts.decide_order(pick, step=step, everybody=everybody, stale=stale)

    @precondition(lambda self: self.acts.of("reserved"))
    @rule(pick=PICK)
    def order_whole(self, pick: int) -> None:
        """All steps up to the approval, so that long ways are gone often."""
        self.acts.order_whole(pick)

    @precondition(lambda self: self.acts.of("reserved"))
    @rule(pick=PICK)
    def send_many(self, pick: int) -> None:
        self.acts.send_many(pick)

    @precondition(lambda self: self.acts.model.cases)
    @rule(pick=PICK, size=SIZE, flaw=st.sampled_from(BATCH_FLAWS))
    def order_many(self, pick: int, size: int, flaw: str) -> None:
        self.acts.order_many(pick, size=size, flaw=flaw)

    @precondition(lambda self: self.acts.model.orders)
    @rule(pick=PICK, step=st.sampled_from(["check", "check", "approve"]), size=SIZE, flaw=st.sampled_from(BATCH_FLAWS), everybody=WRONG)
    def step_many(self, pick: int, step: str, size: int, flaw: str, everybody: bool) -> None:
        self.acts.step_many(pick, step=step, size=size, flaw=flaw, everybody=everybody)

    @rule(pick=PICK, size=st.sampled_from([3, 7]))
    def pay_many(self, pick: int, size: int) -> None:
        self.acts.pay_many(pick, size=size)

    @precondition(lambda self: self.acts.model.orders)
    @rule(pick=PICK, size=SIZE)
    def approve_together(self, pick: int, size: int) -> None:
        self.acts.approve_together(pick, size=size)

    @precondition(lambda self: self.acts.of("in_transit"))
    @rule(pick=PICK)
    def withdraw(self, pick: int) -> None:
        self.acts.withdraw(pick)

    @precondition(lambda self: self.acts.of("in_transit"))
    @rule(pick=PICK)
    def settle_one(self, pick: int) -> None:
        self.acts.settle_one(pick)

    @precondition(lambda self: any(order.reference for order in self.acts.model.orders))
    @rule(pick=PICK, outcome=st.sampled_from(["paid", "returned"]), day=st.sampled_from([0, 0, 0, -1, 1]))
    def bank_says(self, pick: int, outcome: str, day: int) -> None:
        self.acts.bank_says(pick, outcome=outcome, day=day)

    @precondition(lambda self: self.acts.model.unreconciled)
    @rule(pick=PICK)
    def settle(self, pick: int) -> None:
        self.acts.settle(pick)

    @precondition(lambda self: self.acts.model.lates)
    @rule(pick=PICK, outcome=st.sampled_from(["paid_after_all", "bank_error"]), maker=WRONG, stale=WRONG)
    def decide_late(self, pick: int, outcome: str, maker: bool, stale: bool) -> None:
        self.acts.decide_late(pick, outcome=outcome, everybody=maker, stale=stale)

    @precondition(lambda self: any(order.paid_on for order in self.acts.model.orders))
    @rule(pick=PICK, fen=FEN, dry_run=WRONG)
    def order_clawback(self, pick: int, fen: int, dry_run: bool) -> None:
        self.acts.order_clawback(pick, fen=fen, dry_run=dry_run)

    @precondition(lambda self: self.acts.model.clawbacks)
    @rule(pick=PICK, fen=FEN, stale=WRONG, early=WRONG)
    def receive(self, pick: int, fen: int, stale: bool, early: bool) -> None:
        self.acts.receive(pick, fen=fen, stale=stale, early=early)

    @precondition(lambda self: any(order.paid_on for order in self.acts.model.orders))
    @rule(pick=PICK, stale=WRONG)
    def remit(self, pick: int, stale: bool) -> None:
        self.acts.remit(pick, stale=stale)

    @rule(pick=PICK)
    def change_route(self, pick: int) -> None:
        if pick % 3 == 0:
            self.acts.change_route()

    @precondition(lambda self: self.acts.model.orders)
    @rule(pick=PICK, flaw=st.sampled_from(FLAWS))
    def hand_down(self, pick: int, flaw: str) -> None:
        self.acts.hand_down(pick, flaw=flaw)

    @precondition(lambda self: self.acts.model.quotas)
    @rule(pick=PICK, rows=ROWS, stale=WRONG)
    def report(self, pick: int, rows: list[tuple[int, str, str]], stale: bool) -> None:
        self.acts.report(pick, rows=rows, stale=stale)

    @precondition(lambda self: self.acts.model.orders)
    @rule(pick=PICK, flaw=st.sampled_from(FLAWS))
    def ask_for(self, pick: int, flaw: str) -> None:
        self.acts.ask_for(pick, flaw=flaw)

    @precondition(lambda self: self.acts.model.requests)
    @rule(pick=PICK)
    def take_file(self, pick: int) -> None:
        self.acts.take_file(pick)

    @precondition(lambda self: self.acts.model.requests)
    @rule(pick=PICK, rows=ROWS, stale=WRONG)
    def take_sheet(self, pick: int, rows: list[tuple[int, str, str]], stale: bool) -> None:
        self.acts.take_sheet(pick, rows=rows, stale=stale)

    @rule(
        pick=PICK,
        fens=st.lists(FEN, max_size=3),
        flaw=FLAWS_OF_MISUSE,
        dry_run=WRONG,
    )
    def open_misuse(self, pick: int, fens: list[int], flaw: str, dry_run: bool) -> None:
        self.acts.open_misuse(pick, fens=fens, flaw=flaw, dry_run=dry_run)

    @precondition(lambda self: self.acts.model.misuses)
    @rule(pick=PICK, stale=WRONG, dry_run=WRONG)
    def close_misuse(self, pick: int, stale: bool, dry_run: bool) -> None:
        self.acts.close_misuse(pick, stale=stale, dry_run=dry_run)

    @precondition(lambda self: self.acts.model.misuses)
    @rule(pick=PICK)
    def recover_and_close(self, pick: int) -> None:
        self.acts.recover_and_close(pick)

    @rule(pick=PICK, percent=st.sampled_from([20, 40, 60, 100]))
    def set_target(self, pick: int, percent: int) -> None:
        self.acts.set_target(pick, percent=percent)

    @precondition(lambda self: self.acts.model.targets)
    @rule(pick=PICK)
    def evaluate(self, pick: int) -> None:
        self.acts.evaluate(pick)

    @precondition(lambda self: self.acts.free_pools())
    @rule(pick=PICK, other=PICK, fen=FEN, dry_run=WRONG)
    def make_transfer(self, pick: int, other: int, fen: int, dry_run: bool) -> None:
        self.acts.make_transfer(pick, other=other, fen=fen, dry_run=dry_run)

    @rule(pick=PICK, fen=FEN, whole=FLIP)
    def make_reversal(self, pick: int, fen: int, whole: bool) -> None:
        self.acts.make_reversal(pick, fen=None if whole else fen)

    @rule(pick=PICK, fen=FEN, whole=FLIP)
    def reverse(self, pick: int, fen: int, whole: bool) -> None:
        """Both signatures, so that one entry is taken back more than once."""
        self.acts.reverse(pick, fen=None if whole else fen)

    @precondition(lambda self: self.acts.model.drafts)
    @rule(pick=PICK, step=st.sampled_from(["approve", "approve", "approve", "reject"]), same_person=WRONG, stale=WRONG, dry_run=WRONG)
    def decide_draft(self, pick: int, step: str, same_person: bool, stale: bool, dry_run: bool) -> None:
        self.acts.decide_draft(pick, step=step, same_person=same_person, stale=stale, dry_run=dry_run)

    @rule(pick=PICK)
    def freeze(self, pick: int) -> None:
        self.acts.freeze(pick)

    @precondition(lambda self: self.acts.model.freezes)
    @rule(pick=PICK, stale=WRONG, dry_run=WRONG)
    def lift(self, pick: int, stale: bool, dry_run: bool) -> None:
        self.acts.lift(pick, stale=stale, dry_run=dry_run)

    @precondition(lambda self: self.acts.model.today.year < 2026)
    @rule(pick=PICK)
    def turn_the_year(self, pick: int) -> None:
        if pick % 3 == 0:
            self.acts.turn_the_year()

    @rule(days=st.sampled_from([1, 5, 30]))
    def pass_days(self, days: int) -> None:
        self.acts.pass_days(days)

    @rule(pick=PICK, dry_run=WRONG)
    def close_year(self, pick: int, dry_run: bool) -> None:
        self.acts.close_year((2024, 2025, 2024, 2026)[pick % 4], dry_run=dry_run)

    @precondition(lambda self: len(self.acts.model.closed) < 2)
    @rule(pick=PICK)
    def clear_the_way_and_close(self, pick: int) -> None:
        """A year is full of obstacles after many steps; without this it would hardly ever be closed."""
        if pick % 3 == 0:
            self.acts.clear_the_way_and_close()

    @precondition(lambda self: self.acts.answered)
    @rule(pick=PICK)
    def repeat_a_call(self, pick: int) -> None:
        self.acts.repeat(pick)

    @precondition(lambda self: self.acts.answered)
    @rule(pick=PICK)
    def reuse_a_key(self, pick: int) -> None:
        self.acts.reuse_key(pick)

    def teardown(self) -> None:
        try:
            self.acts.assert_books_verify()
        finally:
            self.world.close()


@pytest.mark.parametrize("mode", ["single", "atomic", "event"])
def test_as_many_awards_as_may_be_in_one_call_are_answered_as_the_model_does_and_never_one_more(
    mode: str, template_database: TemplateDatabase
) -> None:
    world = World(template_database)
    try:
        acts = BatchActs(world)
        acts.appropriate(year=2024, fen=300_000)

        acts.reserve_many(0, size=AWARDS_MAX, mode=mode)
        acts.reserve_many(1, size=AWARDS_MAX, mode=mode)
        acts.appropriate(year=2024, fen=10_000_000)

        assert len(acts.model.cases) == AWARDS_MAX
        acts.assert_books_verify()
    finally:
        world.close()


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """Two hundred thousand lines about calls that went well tell nothing."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.configure(wrapper_class=before)


def test_the_budget_answers_and_books_as_the_model_does(template_database: TemplateDatabase) -> None:
    steps = int(os.environ.get("LEDGER_STEPS") or STEPS_IN_CI)
    chosen = int(os.environ.get("LEDGER_SEED") or SEED)
    print(f"\nLEDGER_SEED={chosen} LEDGER_STEPS={steps}")
    Machine.template = template_database
    World.steps = 0

    try:
        run_state_machine_as_test(
            seed(chosen)(Machine),
            settings=settings(
                max_examples=max(1, steps // STEPS_PER_EXAMPLE),
                stateful_step_count=STEPS_PER_EXAMPLE,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink] if os.environ.get("LEDGER_SHRINK") else [Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
            # Short examples never come to the end of a year.
            _min_steps=STEPS_PER_EXAMPLE,
        )
    finally:
        print(f"{World.steps} calls and events were judged")
    # Some rules find nothing to do at their moment.
    assert World.steps >= steps // 3
    # A short run may not come to all of them.
    assert steps < STEPS_FOR_EVERY_VERB or every_verb() - World.verbs == set()


def every_verb() -> set[str]:
    """The paths by which something is written."""
    paths = json.loads((ROOT / "tests" / "contract" / "openapi" / "budget.json").read_text(encoding="utf-8"))["paths"]
    return {re.sub(r"\{[^}]*\}", "*", path) for path, routes in paths.items() if routes.keys() - {"get"}}
