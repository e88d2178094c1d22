"""The demonstration's side of Ethereum: an embedded chain with the clearing house, its governor, oracles and people.

The chain's clock begins in 2033 and moves a second with each block, so this machine's clock has no say:
a story with the same seed has the same times, roots and books.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rollup.node.deployment import DAY, Parties, Terms, Verifier, contract_at, deploy_house
from rollup.node.ethereum import EmbeddedChain
from rollup.node.node import Venue
from rollup.schnorr import SecretKey
from rollup.state import State
from rollup.units import OptionKind

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

START: Final = 2_000_000_000

GOVERNOR, SEQUENCER, CARRIER, FIRST_PERSON = 0, 1, 2, 3
"""Places among the chain's prefunded accounts; the carrier brings the oracles' prices."""

ORACLES: Final = 5
FORCED_ITEM_WEI: Final = 10**15
QUEUE_WINDOW, EXIT_PERIOD = 7 * DAY, 14 * DAY

TERMS: Final = Terms(
    oracle_threshold=3,
    oracle_faults=1,
    minimum_deposit=10_000_000,
    forced_item_charge=FORCED_ITEM_WEI,
    queue_window=QUEUE_WINDOW,
    proof_deadline=3 * DAY,
    exit_period=EXIT_PERIOD,
    timelock=QUEUE_WINDOW + EXIT_PERIOD + 1,
    collection_period=3600,
)
"""The story's expiry lies within the queue window: nobody could freeze the house while it is told."""

LIST_GROUP, LIST_SERIES, SET_PARAMETERS = 0, 1, 2
"""The governor's actions, by their place in the contract's list."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One group as the governor lists it."""

    group: int
    underlying: int
    name: str
    expiry: int
    cap: int
    tick_micro_dollars: int
    lot_micro_units: int
    strikes: tuple[int, ...]


class LastingChain(EmbeddedChain):
    """A chain that goes on when its node has stopped: the books are read from it afterwards."""

    def close(self) -> None:
        """The node's end is not the chain's."""

    def end(self) -> None:
        """Close the file."""
        super().close()


@dataclass(frozen=True, slots=True)
class House:
    """A deployed clearing house."""

    chain: EmbeddedChain
    token: Any
    contract: Any
    genesis: State
    oracles: tuple[LocalAccount, ...]

    @property
    def venue(self) -> Venue:
        """What a node serves."""
        return Venue(self.chain, self.contract, self.chain.account(SEQUENCER), self.genesis)

    @property
    def now(self) -> int:
        """The newest block's time."""
        return int(self.chain.web3.eth.get_block("latest")["timestamp"])

    def deposit(self, person: int, amount: int) -> int:
        """Make practice dollars, deposit them, and give the account's number."""
        signer = self.chain.account(person)
        self.chain.send(signer, self.token.functions.mint(signer.address, amount))
        self.chain.send(signer, self.token.functions.approve(self.contract.address, amount))
        self.chain.send(signer, self.contract.functions.deposit(signer.address, amount))
        return int(self.contract.functions.accountOf(signer.address).call())

    def register_key(self, person: int, secret: SecretKey) -> None:
        """Set a person's trading key."""
        key = secret.trading_key
        call = self.contract.functions.registerKey(0, int(key.suite), list(key.x), list(key.y))
        self.chain.send(self.chain.account(person), call, value=FORCED_ITEM_WEI << 4)

    def force_withdrawal(self, person: int) -> None:
        """Leave through the queue, which the sequencer cannot skip."""
        call = self.contract.functions.forceWithdrawal()
        self.chain.send(self.chain.account(person), call, value=FORCED_ITEM_WEI << 4)

    # ------------------------------------------------------------------------------------------- the governor

    def give_notice(self, listed: Sequence[Listing], maker_rate: int, taker_rate: int) -> list[_Notice]:
        """Propose fees, groups and series."""
        notices = [
            _Notice(SET_PARAMETERS, _encoded("uint16 uint16 uint32", maker_rate, taker_rate, 1)),
        ]
        for terms in listed:
            body = (terms.group, terms.underlying, terms.expiry, terms.cap)
            units = (terms.tick_micro_dollars, terms.lot_micro_units)
            types = "uint16 uint16 uint48 uint32 uint32 uint32"
            notices.append(_Notice(LIST_GROUP, _encoded(types, *body, *units)))
            notices += [
                _Notice(LIST_SERIES, _encoded("uint16 uint32 uint16", terms.group, strike, int(kind)))
                for strike in terms.strikes
                for kind in OptionKind
            ]
        governor = self.chain.account(GOVERNOR)
        for notice in notices:
            propose = self.contract.functions.propose(notice.action, notice.arguments)
            self.chain.send(governor, propose)
        return notices

    def execute(self, notices: Sequence[_Notice]) -> None:
        """Do what was proposed, first notice first."""
        governor = self.chain.account(GOVERNOR)
        for number, notice in enumerate(notices):
            call = self.contract.functions.execute(number, notice.action, notice.arguments)
            self.chain.send(governor, call)

    # -------------------------------------------------------------------------------------------- the oracles

    def post_prices(self, terms: Listing, prices: Sequence[int]) -> None:
        """Let each oracle sign its price, and carry them to the contract."""
        carrier = self.chain.account(CARRIER)
        for oracle, price in zip(self.oracles, prices, strict=True):
            signed = self._signed_price(oracle, terms, price)
            signature = (signed.v, _word(signed.r), _word(signed.s))
            self.chain.send(carrier, self.contract.functions.postPrice(terms.group, price, *signature))

    def fix_price(self, terms: Listing) -> int:
        """Fix a group's median, once its collection has closed."""
        self.chain.send(self.chain.account(CARRIER), self.contract.functions.fixPrice(terms.group))
        return int(self.contract.functions.group(terms.group).call()[3])

    def _signed_price(self, oracle: LocalAccount, terms: Listing, price: int) -> Any:
        domain = {
            "name": "Options Clearing House",
            "version": "1",
            "chainId": self.chain.web3.eth.chain_id,
            "verifyingContract": self.contract.address,
        }
        types = {
            "SettlementPrice": [
                {"name": "group", "type": "uint16"},
                {"name": "expiry", "type": "uint48"},
                {"name": "price", "type": "uint64"},
            ]
        }
        message = {"group": terms.group, "expiry": terms.expiry, "price": price}
        return oracle.sign_typed_data(domain, types, message)

    # -------------------------------------------------------------------------------------------- the batches

    def root_of(self, number: int) -> int:
        """The root that the contract holds for a batch, in one word."""
        return int(self.contract.functions.batch(number).call()[0])

    def balance(self, holder: str) -> int:
        """Micro-dollars that somebody has outside the vault."""
        return int(self.token.functions.balanceOf(holder).call())

    def vault_balance(self) -> int:
        """Micro-dollars that the contract holds, as the token says."""
        return self.balance(self.contract.address)


@dataclass(frozen=True, slots=True)
class _Notice:
    """What the governor has proposed."""

    action: int
    arguments: bytes


def _encoded(types: str, *values: int) -> bytes:
    from eth_abi.abi import encode

    return encode(types.split(), values)


def _word(number: int) -> bytes:
    return number.to_bytes(32)


@contextmanager
def deployed(folder: Path, verifier: Verifier | None) -> Iterator[House]:
    """A chain in a folder, with token, verifier and clearing house."""
    from eth_account import Account

    chain = LastingChain(folder / "chain.sqlite", start_time=START)
    oracles = tuple(Account.from_key((101 + number).to_bytes(32)) for number in range(ORACLES))
    parties = Parties(
        chain.account(GOVERNOR), chain.account(SEQUENCER).address, [oracle.address for oracle in oracles]
    )
    try:
        house = deploy_house(chain, parties, TERMS, is_embedded=True, judge=verifier)
        token = contract_at(chain, "PracticeToken", house.token)
        contract = contract_at(chain, "ClearingHouse", house.contract)
        yield House(chain, token, contract, house.genesis(), oracles)
    finally:
        chain.end()
