"""How to tell the lies of a forged batch: rules that look away, words that were never said, rows filled to fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest.mock import patch

from benchmarks.clearing_workload import plain
from circuits.witness import Followed
from rollup.outcome import QueueItem, RuleBrokenError
from rollup.rejections import Rejection
from rollup.transactions import (
    Deposit,
)
from rollup.units import limbs_of
from tests.adversarial.forged_batches import Forged
from tests.circuits.story import BOB, ERIN, MARKET, Chapter, chapter, chapters

OWN = MARKET.owner
LATER = MARKET.time + 60
EXPIRED = MARKET.time + 2 * 86_400
NOBODY = 900
"""An account that does not exist."""

GIFT = plain(Deposit, ERIN, OWN(ERIN), OWN(BOB), 3)
ALIEN = plain(Deposit, ERIN, OWN(BOB), OWN(BOB), 77)
"""A deposit that is credited, and one to an account that is another's."""


@dataclass(frozen=True, slots=True)
class Cheat:
    """A forged batch and everything that refuses it."""

    name: str
    reasons: frozenset[str]
    forge: Callable[[], Forged]


CHEATS: list[Cheat] = []


def cheats_of(module: str) -> list[Cheat]:
    """The cheats that one test module registered."""
    return [cheat for cheat in CHEATS if cheat.forge.__module__ == module]


def refused(*reasons: str) -> Callable[[Callable[[], Forged]], Callable[[], Forged]]:
    """Register a forged batch that these constraints and buses refuse, and no others."""

    def register(forge: Callable[[], Forged]) -> Callable[[], Forged]:
        CHEATS.append(Cheat(forge.__name__, frozenset(reasons), forge))
        return forge

    return register


def told(items: Sequence[QueueItem], *, time: int = LATER, **lies: Any) -> Chapter:
    """The second batch of the story, of queue items alone, by rules of which some names are replaced."""
    with ExitStack() as stack:
        for name, value in lies.items():
            module, attribute = name.split("__")
            stack.enter_context(
                patch(f"rollup.{module.replace('_of_', '.')}.{attribute}", value, create=True)
            )
        return chapter(chapters()[0].outcome.state, 2, time, items, [])


@cache
def empty() -> Chapter:
    """A batch of nothing but its header."""
    return told([])


def ignored(kind: type, items: Sequence[QueueItem], *, time: int = LATER) -> Chapter:
    """A batch in which items of a kind have no effect, whatever the rules say."""

    def clear(*_: Any) -> Any:
        raise RuleBrokenError(Rejection.NOT_OWNER)

    with patch.object(kind, "clear", clear):
        return told(items, time=time)


def allows_all(*_: Any) -> None:
    """A `require` that requires nothing."""


def with_system(followed: Followed, **changes: Any) -> Followed:
    """A batch that leaves another system leaf."""
    state = followed.outcome.state
    system = replace(state.system, **changes)
    return replace(
        followed,
        outcome=replace(followed.outcome, state=state.with_leaves(system)),
        systems=(followed.systems[0], system),
    )


def with_words(followed: Followed, first: int, *words: int) -> Followed:
    """A batch with other words in its data."""
    data = bytearray(followed.outcome.published)
    data[2 * first : 2 * (first + len(words))] = b"".join(word.to_bytes(2, "big") for word in words)
    return replace(followed, outcome=replace(followed.outcome, published=bytes(data)))


def high_first(number: int, bits: int) -> tuple[int, ...]:
    """A number as the data spells it."""
    return tuple(reversed(limbs_of(number, bits)))


def say_digest(forged: Forged, name: str, digest: Sequence[int]) -> None:
    """Write a public digest."""
    for i, element in enumerate(digest):
        forged.say(f"{name} {i}", element)


def any_type(number: int) -> Any:
    """A number where the rules declare a type of their own."""
    return number


def row_of(forged: Forged, account: int) -> int:
    """Where an account's leaf is laid out."""
    return next(i for i in range(forged.live["accounts"]) if forged.get("accounts", i, "low") == account)


def credited(forged: Forged) -> Forged:
    """The first deposit's last columns as if it had been credited."""
    for name in ("cash", "owed"):
        carry = 0
        for i in range(4):
            term = forged.get("deposits", 0, f"{name} {i}") + forged.get("deposits", 0, f"amount {i}") + carry
            carry = term >> 16
            forged.put("deposits", 0, **{f"{name}_after_limb_{i}": term & 0xFFFF})
            if i < 3:
                forged.put("deposits", 0, **{f"what_is_credited_raises_{name}_carry_{i + 1}": carry})
    forged.put("deposits", 0, is_refunded=0, a_deposit_is_credited_up_to_2=1, a_deposit_is_credited_up_to_3=1)
    return forged


def called_the_owners(forged: Forged) -> Forged:
    """The first deposit's account as if it were the owner's who is named."""
    forged.put("deposits", 0, owner_is_same=1, is_owned=1)
    for i in range(10):
        forged.put("deposits", 0, **{f"owner_weight_{i}": 0})
    return forged
