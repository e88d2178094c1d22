"""One account's step in a published transaction, as the holders take it: who, what for, what changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from circuits.buses import ACCOUNT_STEPS, MARGIN_MODE
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, Operand

AMOUNT_LIMBS: Final = 4


@dataclass(frozen=True, slots=True)
class AccountStep:
    """The message of the bus, by name.

    The holder takes identity, nonce and floor only if they are the account's own at that clock.
    """

    clock: Operand
    account: Expression
    identity: Expression
    nonce: Sequence[Operand]
    floor: Sequence[Operand]
    uses_nonce: bool
    """Whether the nonce is used up; whoever uses it has had it signed."""
    change: Sequence[Operand] = (0,) * AMOUNT_LIMBS
    """Signed limbs of the cash that comes in, not normalised."""
    group: Operand = 0
    option: Operand = 0
    lots: Operand = 0
    """Signed: what is added to the position."""
    mode: int = MARGIN_MODE

    def send(self, air: AirBuilder, when: Operand) -> None:
        """Ask for the step."""
        missing = [0] * (AMOUNT_LIMBS - len(self.change))
        air.send(
            ACCOUNT_STEPS,
            [
                self.clock,
                self.account,
                self.identity,
                *self.nonce,
                int(self.uses_nonce),
                *self.floor,
                *self.change,
                *missing,
                self.group,
                self.option,
                self.lots,
                self.mode,
            ],
            when=when,
        )
