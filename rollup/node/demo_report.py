"""What the demonstration came to: who owns what, and whether the books balance, all of it read back from Ethereum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap

from rollup.codec import BatchContent
from rollup.events import Claim
from rollup.instruments import SeriesId, group_of, kind_of, strike_of
from rollup.invariants import broken_invariants
from rollup.margin import margin_of
from rollup.node.demo_house import Listing
from rollup.node.ethereum import Sent
from rollup.node.ports import Attested
from rollup.node.proofs import MadeStep, ProofShelf, TerminalReport
from rollup.state import State


@dataclass(frozen=True, slots=True)
class Holding:
    """Lots of one option."""

    group: int
    strike: int
    option: str
    lots: int


@dataclass(frozen=True, slots=True)
class Owner:
    """One participant at the end; amounts are micro-dollars."""

    name: str
    role: str
    account: int
    deposited: int
    cash: int
    requirement: int
    holdings: tuple[Holding, ...]
    claimed: int
    """Withdrawn: no longer in the books, to be taken from the vault once its batch is proved."""
    collected: int = 0
    """Of it, what the vault has paid."""


@dataclass(frozen=True, slots=True)
class Check:
    """Two figures that must be equal."""

    sentence: str
    expected: str
    found: str

    @property
    def holds(self) -> bool:
        """Say whether they are."""
        return self.expected == self.found


@dataclass(frozen=True, slots=True)
class Settled:
    """A group whose price was fixed."""

    name: str
    posted: tuple[int, ...]
    price: int
    accounts: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """One batch on the contract."""

    number: int
    queue_items: int
    transactions: int
    claims: int
    bytes: int
    is_proved: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """An attempt that the rules, the node or the contract turned away."""

    attempt: str
    reason: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """One step from batches to money: `seconds`, `bytes` and `gas` are sums over all `count` of it."""

    source: str
    target: str
    count: int
    seconds: float
    bytes: int
    gas: int | None = None
    """None where nothing is sent to Ethereum."""
    bits: float | None = None
    """Provable bits of the proof that is made; None where none is."""


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The whole story in figures."""

    seed: int
    seconds: float
    blocks: int
    orders: int
    trades: int
    lots: int
    premium: int
    series: int
    batches: tuple[Sealed, ...]
    settlements: tuple[Settled, ...]
    refusals: tuple[Refused, ...]
    owners: tuple[Owner, ...]
    checks: tuple[Check, ...]
    attested: tuple[Attested, ...] = ()
    """Validity proofs that were made and verified beside the contract."""
    pipeline: tuple[Arrow, ...] = ()
    """What it took to prove the batches to the contract; nothing where they were not."""
    bits_together: float | None = None
    """Provable bits of all proofs behind a terminal proof together; the least, if there are several."""

    @property
    def proved(self) -> int:
        """Batches that the contract has accepted a proof of."""
        return sum(batch.is_proved for batch in self.batches)

    @property
    def root(self) -> str:
        """The state root of the last batch, as the contract has it."""
        return self.checks[0].found if self.checks[0].holds else "unknown"

    @property
    def balances(self) -> bool:
        """Say whether every check holds."""
        return all(check.holds for check in self.checks)


def _holding(series: SeriesId, lots: int) -> Holding:
    return Holding(group_of(series), strike_of(series), kind_of(series).name.lower(), lots)


def arrows_of(shelf: ProofShelf, batches: Sequence[int], sent: Iterable[Sent]) -> tuple[Arrow, ...]:
    """What each arrow from batches to money took: proofs by what lies beside them, transactions by their receipts."""
    by_name: dict[str, list[Sent]] = defaultdict(list)
    for one in sent:
        by_name[one.name].append(one)
    bases = [one for one in map(shelf.report, batches) if one is not None]
    firsts = [one for one in map(shelf.step_report, batches) if one is not None]
    joins = _joins(shelf)
    arrows = [
        _sent_arrow("batch", "data on Ethereum", [*by_name["begin"], *by_name["append"], *by_name["seal"]]),
        Arrow(
            "batch",
            "base proof",
            len(bases),
            sum(one.seconds for one in bases),
            sum(one.proof_bytes for one in bases),
            bits=min((one.provable_bits for one in bases), default=None),
        ),
        Arrow(
            "base proof",
            "first step",
            len(firsts),
            sum(one.seconds for one in firsts),
            sum(one.proof_bytes for one in firsts),
            bits=min((one.provable_bits for one in firsts), default=None),
        ),
    ]
    steps: dict[str, list[MadeStep]] = defaultdict(list)
    for join in joins:
        for step in join.steps:
            steps[step.name].append(step)
    source = "first steps"
    for name, made in steps.items():
        seconds, size = sum(one.seconds for one in made), sum(one.proof_bytes for one in made)
        arrows.append(Arrow(source, name, len(made), seconds, size, bits=min(one.bits for one in made)))
        source = name
    arrows += [
        _sent_arrow(source, "root accepted", by_name["prove"]),
        _sent_arrow("root accepted", "claim paid", by_name["claim"]),
    ]
    return tuple(arrow for arrow in arrows if arrow.count)


def bits_together(shelf: ProofShelf) -> float | None:
    """Provable bits of all proofs behind the weakest terminal proof; None where there is none."""
    return min((join.provable_bits for join in _joins(shelf)), default=None)


def _joins(shelf: ProofShelf) -> list[TerminalReport]:
    return [one for one in starmap(shelf.terminal_report, sorted(shelf.terminals())) if one is not None]


def _sent_arrow(source: str, target: str, sent: Sequence[Sent]) -> Arrow:
    return Arrow(
        source,
        target,
        len(sent),
        sum(one.seconds for one in sent),
        sum(one.bytes for one in sent),
        sum(one.gas for one in sent),
    )


def owners_of(
    state: State,
    people: Sequence[tuple[str, str, int, int]],
    claims: Sequence[Claim],
    collected: Mapping[str, int],
) -> tuple[Owner, ...]:
    """Everybody's holdings; people are (name, role, account, deposit)."""
    claimed: dict[int, int] = defaultdict(int)
    for claim in claims:
        claimed[claim.owner] += claim.amount
    owners = []
    for name, role, number, deposited in people:
        account = state.account(number)
        if account is None:
            raise LookupError(f"{name} has deposited, but there is no account {number}")
        owners.append(
            Owner(
                name,
                role,
                number,
                deposited,
                account.cash,
                margin_of(account.positions, state.group).requirement,
                tuple(_holding(series, lots) for series, lots in account.positions),
                claimed[account.owner],
                collected.get(name, 0),
            )
        )
    return tuple(owners)


def checks_of(
    state: State,
    claims: Sequence[Claim],
    collected: int,
    vault_balance: int,
    roots: tuple[str, str],
    listed: Sequence[Listing],
) -> tuple[Check, ...]:
    """Compare the books, rebuilt from Ethereum alone, with what the contract holds and says."""
    cash = sum(account.cash for account in state.accounts())
    pools = sum(group.pool for group in state.groups())
    unpaid = sum(claim.amount for claim in claims) - collected
    lots: dict[SeriesId, int] = {series: 0 for group in state.groups() for series in group.series}
    for account in state.accounts():
        for series, amount in account.positions:
            lots[series] += amount
    fixed = [group for group in state.groups() if group.settlement_price is not None]
    broken = broken_invariants(state)
    return (
        Check("the contract's root is that of the state rebuilt from Ethereum's data", *roots),
        Check(
            "the vault holds all cash, all pools and all claims that it has not paid",
            _dollars(vault_balance),
            _dollars(cash + pools + unpaid),
        ),
        Check(
            f"lots of each of {len(lots)} series sum to zero",
            "0",
            " ".join(str(total) for total in sorted(set(lots.values()))),
        ),
        Check(
            f"pools of the {len(fixed)} settled of {len(listed)} groups are empty",
            _dollars(0),
            _dollars(sum(abs(group.pool) for group in fixed)),
        ),
        Check("every invariant of the rules holds", "0 broken", f"{len(broken)} broken"),
    )


def sealed_of(contents: Sequence[BatchContent], lengths: Sequence[int], proved: int) -> tuple[Sealed, ...]:
    """Batches as the contract has them."""
    return tuple(
        Sealed(
            content.number,
            len(content.items),
            len(content.records),
            len(content.claims),
            length,
            content.number <= proved,
        )
        for content, length in zip(contents, lengths, strict=True)
    )


def _dollars(micro: int) -> str:
    """Exact, to the micro-dollar."""
    sign, micro = ("-" if micro < 0 else ""), abs(micro)
    return f"{sign}{micro // 1_000_000:,}.{micro % 1_000_000:06}"
