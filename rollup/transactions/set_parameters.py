"""SetParameters: the governor changes fees and names the treasury."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rollup.admission import changes_to
from rollup.authority import Authority
from rollup.events import Event, ParametersSet
from rollup.outcome import QueueItem, require
from rollup.places import account_places
from rollup.rejections import Rejection
from rollup.state import SYSTEM_INDEX, LeafIndex, Parameters, State
from rollup.units import AccountId, RatePerMillion, RawDoubleWord, Version


@dataclass(frozen=True, slots=True)
class SetParameters(QueueItem):
    """Set the fee rates and the account that receives fees."""

    maker_fee_rate: RatePerMillion
    taker_fee_rate: RatePerMillion
    treasury: RawDoubleWord

    authority: ClassVar[Authority] = Authority.GOVERNOR
    rule: ClassVar[str] = "sets the fee rates and the treasury, which must be an account"

    def places(self, state: State) -> tuple[LeafIndex, ...]:
        """The treasury's account and the parameters."""
        del state
        return (*account_places(self.treasury), SYSTEM_INDEX)

    def clear(self, state: State) -> tuple[State, Event]:
        """Set the parameters."""
        # Admission.
        # Soundness: a fee without a treasury would vanish, and cash would no longer add up to what is owed.
        require(state.account(self.treasury) is not None, Rejection.TREASURY_MISSING)
        # Effects.
        version = Version(state.system.parameters.version + 1)
        parameters = Parameters(version, self.maker_fee_rate, self.taker_fee_rate, AccountId(self.treasury))
        after = replace(state.system, parameters=parameters)
        return state.with_leaves(after), ParametersSet(changes_to(state, after))
