"""Which forged trace answers to which reason of the rules: filled by the tests of the tables as they are imported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollup.outcome import Outcome
from rollup.rejections import Rejection
from tests.circuits.trading import TradingFloor

LayOut = Callable[[TradingFloor], Outcome | Rejection]


@dataclass(frozen=True, slots=True)
class Forgery:
    """A transaction that the rules refuse, laid out as if they did not."""

    rejection: Rejection
    broken: frozenset[str]
    """The constraints and buses that refuse it."""
    lay_out: LayOut
    name: str

    def laid_out(self, floor: TradingFloor) -> tuple[Outcome | Rejection, set[str]]:
        """What the rules and what the tables say of it."""
        return self.lay_out(floor), floor.wrong()


FORGERIES: list[Forgery] = []


def refuses(rejection: Rejection, *broken: str) -> Callable[[LayOut], LayOut]:
    """Register a forgery of the tables whose test defines it."""

    def register(lay_out: LayOut) -> LayOut:
        name = f"{rejection.value} {sum(one.rejection == rejection for one in FORGERIES) + 1}"
        FORGERIES.append(Forgery(rejection, frozenset(broken), lay_out, name))
        return lay_out

    return register


def forgeries_of(module: str) -> list[Forgery]:
    """The forgeries that one test module registered."""
    return [one for one in FORGERIES if one.lay_out.__module__ == module]
