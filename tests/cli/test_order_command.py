"""An order without a slot replaces nobody's, whatever other programs of the account do at the same moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from benchmarks.clearing_workload import plain
from rollup.client import NodeRefusalError, OrderWish
from rollup.commands.order_command import SLOTS, _placed_in_free_slot
from rollup.commands.terminal import BadInput
from rollup.node.refusals import Refusal
from rollup.rejections import Rejection
from rollup.units import Side


@dataclass
class Crowded:
    """A node where others place orders between two requests."""

    taken: set[int]
    arrivals: list[int] = field(default_factory=list)
    refusals: list[Refusal | Rejection] = field(default_factory=list)

    def open_orders(self) -> list[dict[str, int]]:
        return [{"slot": slot} for slot in self.taken]

    def signed_order(self, wish: OrderWish) -> Any:
        if self.arrivals:
            self.taken.add(self.arrivals.pop(0))
        return plain(Signed, plain(Numbered, wish.slot))

    def send_order(self, signed: Any) -> dict[str, Any]:
        assert signed.order.slot not in self.taken
        if self.refusals:
            raise NodeRefusalError(self.refusals.pop(0))
        return {"status": "resting"}


@dataclass(frozen=True)
class Numbered:
    slot: int
    number: int = 5


@dataclass(frozen=True)
class Signed:
    order: Numbered


WISH: OrderWish = plain(OrderWish, Side.BUY, 1, 1, 1)


def placed(node: Crowded) -> dict[str, Any]:
    client: Any = node
    return _placed_in_free_slot(client, WISH)


def test_the_first_free_slot_is_taken() -> None:
    assert placed(Crowded({0, 2})) == {"status": "resting", "slot": 1, "number": 5}


def test_whoever_came_first_keeps_the_slot() -> None:
    assert placed(Crowded({0}, arrivals=[1, 2]))["slot"] == 3
    assert placed(Crowded({0}, refusals=[Refusal.ORDER_NUMBER_USED]))["slot"] == 1


def test_any_other_refusal_and_a_full_account_end_it() -> None:
    with pytest.raises(NodeRefusalError, match="margin_not_met"):
        placed(Crowded(set(), refusals=[Rejection.MARGIN_NOT_MET]))
    with pytest.raises(BadInput, match="all 256 slots hold an order"):
        placed(Crowded(set(range(SLOTS))))
