"""A clearing house to practise on: what a fresh embedded chain begins with.

The governor's actions wait for a timelock of more than two weeks, on a practice chain too, because the contract is the
real one. So the chain begins in the past: it is deployed and everything is proposed there, the clock is moved to today,
and what was proposed is executed.
All its keys are public, and its dollars are worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from time import time
from typing import TYPE_CHECKING, Any, Final

from rollup.node.deployment import House, Parties, Terms, Verifier, contract_at, deploy_house
from rollup.node.ethereum import EmbeddedChain, Ethereum
from rollup.units import MICRO, OptionKind

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

GOVERNOR, SEQUENCER, FIRST_ORACLE = 0, 1, 2
"""Which of the embedded chain's prefunded accounts signs as whom."""

ORACLES: Final = 5

TERMS: Final = Terms(oracle_threshold=3, oracle_faults=1)

HEAD_START_SECONDS: Final = TERMS.timelock + 3600
"""How far in the past the chain begins: the timelock, and room for what is sent before and after."""

LISTING_SECONDS: Final = 120
"""Before today: what is executed takes a block and a second each, and the chain must not run ahead of the clock."""

EXPIRY_DAYS: Final = (7, 30, 90)
EXPIRY_HOUR: Final = 8
"""UTC: the hour at which most listed options on ether expire."""

UNDERLYING: Final = 1
"""Ether in dollars, by the words of this market; the rules know a number."""

TICK_MICRO_DOLLARS: Final = MICRO
LOT_MICRO_UNITS: Final = MICRO // 100
"""A tick is a dollar and a lot a hundredth of an ether, so a tick on a lot is worth a cent."""

CAP: Final = 20_000
STRIKES: Final = (2_000, 2_500, 3_000, 3_500, 4_000)


class Action(IntEnum):
    """What the governor may propose, by its number in the contract; only what this market needs."""

    LIST_GROUP = 0
    LIST_SERIES = 1


@dataclass(frozen=True, slots=True)
class Proposal:
    """One action of the governor with its encoded arguments."""

    action: Action
    arguments: bytes


def expiries(today: int) -> list[int]:
    """When the practice groups expire."""
    morning = datetime.fromtimestamp(today, UTC).replace(hour=EXPIRY_HOUR, minute=0, second=0, microsecond=0)
    return [int((morning + timedelta(days=days)).timestamp()) for days in EXPIRY_DAYS]


def listings(today: int) -> Iterator[Proposal]:
    """Propose every group and series."""
    from eth_abi.abi import encode

    group_types = ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"]
    for group, expiry in enumerate(expiries(today), 1):
        terms = (group, UNDERLYING, expiry, CAP, TICK_MICRO_DOLLARS, LOT_MICRO_UNITS)
        yield Proposal(Action.LIST_GROUP, encode(group_types, terms))
        for strike in STRIKES:
            for option in OptionKind:
                series = (group, strike, int(option))
                yield Proposal(Action.LIST_SERIES, encode(["uint16", "uint32", "uint16"], series))


def list_market(
    ethereum: Ethereum, contract: Any, governor: LocalAccount, today: int, travel: Callable[[int], None]
) -> None:
    """Propose the market on a chain that is behind by the timelock, travel to today, and execute."""
    proposals = list(listings(today))
    functions = contract.functions
    first = functions.proposalCount().call()
    for proposal in proposals:
        ethereum.send(governor, functions.propose(proposal.action, proposal.arguments))
    travel(today)
    for number, proposal in enumerate(proposals, first):
        ethereum.send(governor, functions.execute(number, proposal.action, proposal.arguments))


def practice_parties(chain: EmbeddedChain) -> Parties:
    """Who signs on the embedded chain."""
    oracles = [chain.account(FIRST_ORACLE + number).address for number in range(ORACLES)]
    return Parties(chain.account(GOVERNOR), chain.account(SEQUENCER).address, oracles)


def begin_practice(chain: EmbeddedChain, today: int, judge: Verifier | None = None) -> House:
    """Deploy and list on a fresh embedded chain that began `HEAD_START_SECONDS` ago."""
    parties = practice_parties(chain)
    with chain.before_its_time():
        house = deploy_house(chain, parties, TERMS, is_embedded=True, judge=judge)
        contract = contract_at(chain, "ClearingHouse", house.contract)
        list_market(chain, contract, parties.governor, today - LISTING_SECONDS, chain.travel)
    return house


def begin_elsewhere(
    ethereum: Ethereum, operator: LocalAccount, today: int, judge: Verifier | None = None
) -> tuple[House, bool]:
    """Deploy on somebody else's development chain, and list the market if that chain lets its clock be moved.

    The operator is governor, sequencer and only oracle.
    """
    terms = Terms(oracle_threshold=1, oracle_faults=0)
    parties = Parties(operator, operator.address, [operator.address])
    house = deploy_house(ethereum, parties, terms, is_embedded=False, judge=judge)
    contract = contract_at(ethereum, "ClearingHouse", house.contract)
    if house.genesis_time + terms.timelock >= today or not _can_travel(ethereum):
        return house, False
    # Its clock goes on from where it is set: behind this machine's, every batch would wait until it is no more ahead.
    list_market(ethereum, contract, operator, today, lambda _: _travel(ethereum, int(time())))
    return house, True


def _ask(ethereum: Ethereum, method: str, *parameters: Any) -> bool:
    """Send a development chain's own request, and say whether it was understood."""
    provider: Any = ethereum.web3.provider
    return "error" not in provider.make_request(method, list(parameters))


def _can_travel(ethereum: Ethereum) -> bool:
    """Say whether the chain's clock can be moved: asked by setting it to where it is a second later."""
    newest = ethereum.web3.eth.get_block("latest")["timestamp"]
    return _ask(ethereum, "evm_setNextBlockTimestamp", newest + 1)


def _travel(ethereum: Ethereum, block_time: int) -> None:
    _ask(ethereum, "evm_setNextBlockTimestamp", block_time)
    _ask(ethereum, "evm_mine")
    ethereum.look_at_clock()
