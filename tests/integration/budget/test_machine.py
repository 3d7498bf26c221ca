"""Every verb of the budget over HTTP, in any order, beside books of plain Python: what is refused changes nothing, and every fen is where it must be.

LEDGER_STEPS=200000 runs that many steps and LEDGER_SEED repeats a run; without them a bounded, always equal share.
"""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.integration.budget.machine_acts import Acts
from tests.integration.budget.machine_world import World
from tests.runtime import TemplateDatabase

STEPS_IN_CI = 2_000
STEPS_PER_EXAMPLE = 100
SEED = 20_230_612

# One number picks among what there is at that moment, so that a long run needs little randomness.
PICK = st.integers(0, 255)
FEN = st.sampled_from([1, 700, 25_000, 40_000, 60_000, 100_000, 250_000])
FLIP = st.booleans()
WRONG = st.sampled_from([False, False, False, True])


class Machine(RuleBasedStateMachine):
    """Each rule is one call or one event; `Acts` predicts its answer, sends it and compares."""

    template: TemplateDatabase

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.template)
        self.acts = Acts(self.world)

    @initialize(fen=st.sampled_from([100_000, 300_000]))
    def begin(self, fen: int) -> None:
        self.acts.appropriate(year=2024, fen=fen)

    @rule(pick=PICK, fen=FEN)
    def appropriate(self, pick: int, fen: int) -> None:
        self.acts.appropriate(year=(2024, 2025, 2026)[pick % 3], fen=fen if pick < 250 else 199_999_999)

    @rule(pick=PICK, fen=FEN, dry_run=WRONG)
    def allot(self, pick: int, fen: int, dry_run: bool) -> None:
        self.acts.allot(pick, fen=fen, dry_run=dry_run)

    @rule(pick=PICK, fens=st.lists(FEN, min_size=1, max_size=3), mode=st.sampled_from(["single", "single", "single", "atomic", "dry_run", "event"]))
    def reserve(self, pick: int, fens: list[int], mode: str) -> None:
        self.acts.reserve(pick, fens=fens, mode=mode)

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
    @rule(pick=PICK, step=st.sampled_from(["check", "approve", "approve", "reject"]), everybody=WRONG, stale=WRONG)
    def decide_order(self, pick: int, step: str, everybody: bool, stale: bool) -> None:
        self.acts.decide_order(pick, step=step, everybody=everybody, stale=stale)

    @precondition(lambda self: self.acts.of("reserved"))
    @rule(pick=PICK)
    def order_whole(self, pick: int) -> None:
        """All steps up to the approval, so that long ways are gone often."""
        self.acts.order_whole(pick)

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

    @precondition(lambda self: self.acts.model.clawbacks)
    @rule(pick=PICK, stale=WRONG)
    def remit(self, pick: int, stale: bool) -> None:
        self.acts.remit(pick, stale=stale)

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
