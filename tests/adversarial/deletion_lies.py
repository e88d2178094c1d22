"""Forged traces for rules about a whole table, which no window of a few rows can break alone: each by its rule's name.

Every one of them is checked: it breaks the rule that it names, and no other, for a statement and messages of its own.
The file is long because it is a list: forty lies of a few lines, side by side with the table that names them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from circuits.deposits import NAME as DEPOSITS
from circuits.group_listings import NAME as GROUP_LISTINGS
from circuits.holders import NAME as HOLDERS
from circuits.orders import NAME as ORDERS
from circuits.position_lists import FIRST_POSITIONS, POSITIONS_A_ROW
from circuits.position_lists import NAME as POSITION_LISTS
from circuits.published import HAS_WORD, RUNNING, WORDS
from circuits.published import NAME as DATA
from circuits.registrations import NAME as REGISTRATIONS
from circuits.series_lists import NAME as SERIES_LISTS
from circuits.statement import PUBLIC_NAMES, VALUE
from circuits.trades import FEE_BYTES, FEE_CARRIES, RATE_BYTES
from circuits.trades import NAME as TRADES
from circuits.tree import NAME as TREE
from circuits.walk_columns import PAYOFF_OFFSET_TOP, WALK_CONSTANTS
from circuits.walks import NAME as WALKS
from prover.curve.septic import POINT_ELEMENTS
from prover.field.koalabear import PRIME
from prover.hash.poseidon import RATE
from rollup.units import MAX_POSITIONS, MICRO
from tests.adversarial.deletion_search import rows_of
from tests.adversarial.deletion_sites import NEWTON_STEPS, Site
from tests.adversarial.deletions import Deletion, Ground
from tests.adversarial.field_lines import Numbers, solve

Forge = Callable[[Ground], Ground | None]
"""None where the trace has no place for it."""
BYTES_A_WORD: Final = 2
SMALL: Final = 1 << 16
TOTALS: Final = tuple(f"total {i}" for i in range(4))
ENTRIES_FROM: Final = 5
"""The interaction of a row of a position list that sends its first entry; the next one takes it."""


@dataclass(frozen=True, slots=True)
class Lie:
    """What is accepted without a rule."""

    said: str
    forge: Forge


LIES: dict[tuple[str, str], Lie] = {}


def accepted_without(table: str, rule: str, said: str) -> Callable[[Forge], Forge]:
    """Register a forged trace."""

    def register(forge: Forge) -> Forge:
        LIES[table, rule] = Lie(said, forge)
        return forge

    return register


def lie_about(grounds: Sequence[Ground], deletion: Deletion, twins: Sequence[int]) -> str | None:
    """What is accepted without a rule, if its forged trace breaks it alone."""
    lie = LIES.get((deletion.table, deletion.name))
    if lie is None:
        return None
    tried = (forged for ground in grounds if (forged := lie.forge(ground)) is not None)
    is_constraint = deletion.kind == "constraint"
    own = twins[deletion.index] if is_constraint else -1 - len(twins) - deletion.index
    if not any(_classes(forged, twins) == {own} for forged in tried):
        raise AssertionError(f"{deletion.table}: the lie about '{deletion.name}' breaks something else")
    return lie.said


def _classes(forged: Ground, twins: Sequence[int]) -> set[int]:
    """What a forged trace breaks; rules that say the same count once, look-ups have no twins."""
    return {twins[one] if one < len(twins) else -1 - one for one in broken_rules(forged)}


def broken_rules(ground: Ground) -> set[int]:
    """Constraints that do not hold, and, numbered behind them, look-ups that are out of range."""
    table, planes, height = ground.table, ground.planes(), ground.trace.shape[1]
    count = len(table.constraints)
    found = {
        number
        for number, one in enumerate(table.constraints)
        if planes[number][rows_of(one.scope, height)].any()
    }
    plane = count
    for number, one in enumerate(table.interactions):
        limit, times = ground.limits.get(one.bus.name), planes[plane + one.bus.arity]
        if limit is not None and (planes[plane : plane + one.bus.arity][:, times != 0] >= limit).any():
            found.add(count + number)
        plane += one.bus.arity + 1
    return found


class Draft:
    """A trace to write into, by the names of columns and of the statement."""

    def __init__(self, ground: Ground) -> None:
        self._ground, self._publics = ground, list(ground.publics)
        self.trace = ground.trace.copy()

    def column(self, name: str) -> Numbers:
        """A column, to be changed."""
        answer: Numbers = self.trace[self._ground.table.main_names.index(name)]
        return answer

    def say(self, name: str, value: int) -> None:
        """Change the statement."""
        self._publics[PUBLIC_NAMES.index(name)] = value % PRIME

    @property
    def ground(self) -> Ground:
        """What is written so far."""
        return replace(self._ground, trace=self.trace % PRIME, publics=tuple(self._publics))

    def residual(self, rule: str, row: int) -> int:
        """What a constraint is on a row, instead of zero."""
        ground = self.ground
        (number,) = (place for place, one in enumerate(ground.table.constraints) if one.name == rule)
        return int(ground.planes()[number][row])


@accepted_without(TREE, "the low part is shifted first", "leaves at places that are twice as high")
def _never_low(ground: Ground) -> Ground:
    draft = Draft(ground)
    draft.column("shifts low")[:] = 0
    draft.column("low")[:] = 0
    draft.column("left child's high")[:] = 2 * draft.column("high")
    return draft.ground


@accepted_without(DATA, "the data begin on the first row", "a batch without any data")
def _no_data(ground: Ground) -> Ground:
    draft = Draft(ground)
    draft.trace[:] = 0
    _begin(draft)
    return draft.ground


@accepted_without(DATA, "the first block is block zero", "data without their first block")
def _begun_late(ground: Ground) -> Ground:
    draft = Draft(ground)
    draft.column("place")[draft.column(HAS_WORD[0]) == 1] += 1
    length = PUBLIC_NAMES.index("data length")
    draft.say("data length", ground.publics[length] + BYTES_A_WORD * RATE)
    return draft.ground


def set_and_repaired(
    ground: Ground,
    rule: str | None,
    row: int,
    values: dict[str, int],
    by: str | tuple[str, ...] = "",
    steps: int = NEWTON_STEPS,
) -> Ground | None:
    """Cells of a row as they are said to be, and others, by how their names begin, so that constraints hold.

    All but one, if one is named, and what says the same.
    """
    site, names = Site(ground, row), ground.table.main_names
    at = site.honest.copy()
    for name, value in values.items():
        at[names.index(name)] = value % PRIME
    said = {one.polynomial for one in ground.table.constraints if one.name == rule}
    gone = [place for place, one in enumerate(ground.table.constraints) if one.polynomial in said]
    others = [place for place, name in enumerate(names) if name not in values and name.startswith(by)]
    but = site.is_constraint & np.isin(site.owner, gone)
    found = site.repaired(at, np.array(others, np.int64), but, steps)
    if found is None:
        return None
    trace = ground.trace.copy()
    trace[:, row] = found
    return replace(ground, trace=trace)


def _where(ground: Ground, values: dict[str, int]) -> int | None:
    """The first row with these values."""
    lines = [ground.trace[ground.table.main_names.index(name)] == value for name, value in values.items()]
    rows = np.flatnonzero(np.logical_and.reduce(lines))
    return int(rows[0]) if rows.size else None


NOT_CANONICAL: Final = "an element is not canonical"
UNPROVEN: Final = "a key is set under the proven suite"
NOT_READ: Final = "no account is found where none is read"
LISTED: Final = "the send number 57 on bus group statics happens once or not at all"


def _found_unread(ground: Ground) -> Ground | None:
    row = _where(ground, {"is live": 1, "account is read": 0})
    found = {"identity": 5, "identity inverse": pow(5, -1, PRIME), "identity is something": 1}
    return None if row is None else set_and_repaired(ground, NOT_READ, row, found)


for _table in (DEPOSITS, REGISTRATIONS):
    accepted_without(_table, NOT_READ, "an account with a number that none can have")(_found_unread)


@accepted_without(GROUP_LISTINGS, LISTED, "a group's terms that are asked for minus one time")
def _listed_minus_once(ground: Ground) -> Ground | None:
    row = _where(ground, {"is live": 1, "a group is listed up to 6": 1})
    return None if row is None else set_and_repaired(ground, LISTED, row, {"is live": 0, "exists": 1})


@accepted_without(ORDERS, "send 10 on sixteen bits: expiry middle", "an order that has expired")
def _expired(ground: Ground) -> Ground | None:
    row = _where(ground, {"is live": 1, "borrow of the middle limb": 0})
    if row is None:
        return None
    draft = Draft(ground)
    draft.column("expiry middle")[row] -= SMALL
    draft.column("expiry high")[row] += 1
    draft.column("borrow of the middle limb")[row] = 1
    return draft.ground


@accepted_without(
    HOLDERS, "only a nonce that is used carries", "a nonce that rises although nothing was signed"
)
def _carried_unused(ground: Ground) -> Ground | None:
    row = _where(ground, {"is live": 1, "uses nonce": 0})
    if row is None:
        return None
    draft = Draft(ground)
    draft.column("nonce 0")[row] = SMALL - 1
    draft.column("nonce carry")[row] = 1
    draft.column("nonce inverse")[row] = pow(int(draft.column("nonce 1")[row]) + 1 - SMALL, -1, PRIME)
    return draft.ground


@accepted_without(
    SERIES_LISTS, "a list goes on or ends", "a second row of a list under a number that is no number"
)
def _gone_on_in_part(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    goes_on, numbers, is_old = (draft.column(name) for name in ("goes on", "row", "hashes old"))
    for row in np.flatnonzero((goes_on[:-1] == 1) & (goes_on[1:] == 0)).tolist():
        first, count = row - int(numbers[row]), RATE * (int(numbers[row]) + 1)
        left = sum(int(draft.column(f"has option {i}")[row + 1]) for i in range(RATE))
        if left == RATE or is_old[first : row + 2].any():
            continue
        # What the count says is reached above the last row, and once more on it, from a number that is none.
        part = (1 - left * pow(count, -1, PRIME)) % PRIME
        goes_on[row] = part
        numbers[row + 1] = part * (int(numbers[row]) + 1) % PRIME
        draft.column("new count")[first : row + 2] = count
        return draft.ground
    return None


def _fee_less_a_multiple(party: str) -> Forge:
    """The premium times the rate, less the prime at 2^32, is rounded up to a fee as well."""

    def forge(ground: Ground) -> Ground | None:
        draft = Draft(ground)

        def number(name: str, count: int, row: int) -> int:
            return sum(int(draft.column(f"{name} {i}")[row]) << 8 * i for i in range(count))

        for row in np.flatnonzero(draft.column("is live")).tolist():
            fee, rate = (
                number(f"{party} fee byte", FEE_BYTES, row),
                number(f"{party} rate byte", RATE_BYTES, row),
            )
            excess = int(draft.column(f"{party} excess low")[row]) + SMALL * int(
                draft.column(f"{party} excess high")[row]
            )
            paid_at_rate = fee * MICRO - excess
            left = paid_at_rate - (PRIME << 32)
            if left < 0 or not rate:
                continue
            fee = -(-left // MICRO)
            excess = fee * MICRO - left
            digits = [*fee.to_bytes(FEE_BYTES, "little")]
            for i, digit in enumerate(digits):
                draft.column(f"{party} fee byte {i}")[row] = digit
            draft.column(f"{party} excess low")[row] = excess & (SMALL - 1)
            draft.column(f"{party} excess high")[row] = excess >> 16
            draft.column(f"{party} spare high")[row] = (MICRO - 1 - excess) >> 16
            for m in range(1, FEE_CARRIES + 1):
                rule = f"the {party}'s fee is its rate of the premium: weight {m - 1} is carried on"
                name = f"the {party}'s fee is its rate of the premium carry {m}"
                # What is carried is missing on the left, 2^16 times.
                gap = draft.residual(rule, row) * pow(SMALL, -1, PRIME)
                draft.column(name)[row] = (int(draft.column(name)[row]) + gap) % PRIME
            return draft.ground
        return None

    return forge


for _party, _send in (("buyer", 17), ("seller", 27)):
    accepted_without(
        TRADES,
        f"send {_send} on fourteen bits: the {_party}'s fee is its rate of the premium carry {FEE_CARRIES}",
        "a fee that is too small by the prime times 2^32 millionths",
    )(_fee_less_a_multiple(_party))


def _not_canonical(element: int) -> Forge:
    rule = f"a key that is set is canonical, element {element}"
    top = {f"high {element}": PRIME >> 16, f"low {element}": 5}
    is_on_top = {f"top {element} is something": 0, f"top {element} inverse": 0}

    def forge(ground: Ground) -> Ground | None:
        row = _where(ground, {"is live": 1, "is set": 1})
        return None if row is None else set_and_repaired(ground, rule, row, top | is_on_top, "residual")

    return forge


def _named_minus_once(element: int) -> Forge:
    def forge(ground: Ground) -> Ground | None:
        draft = Draft(ground)
        named = draft.column(f"because {NOT_CANONICAL}") * draft.column("is beyond the top")
        for row in np.flatnonzero(named * (1 - draft.column(f"is element {element}"))).tolist():
            highs = [int(draft.column(f"high {place}")[row]) for place in range(POINT_ELEMENTS)]
            (chosen,) = (place for place in range(POINT_ELEMENTS) if draft.column(f"is element {place}")[row])
            for other in range(POINT_ELEMENTS):
                upper = highs[chosen] + highs[other] - highs[element]
                if other not in {chosen, element} and PRIME >> 16 < upper < SMALL:
                    draft.column(f"is element {other}")[row] = 1
                    draft.column(f"is element {element}")[row] = -1
                    return draft.ground
        return None

    return forge


for _element in range(POINT_ELEMENTS):
    accepted_without(
        REGISTRATIONS, f"a key that is set is canonical, element {_element}", "a key with another spelling"
    )(_not_canonical(_element))
    accepted_without(
        REGISTRATIONS, f"element {_element} is named or not", "a key refused for a sum of its elements"
    )(_named_minus_once(_element))


@accepted_without(REGISTRATIONS, UNPROVEN, "a key of a suite that no circuit proves")
def _unproven(ground: Ground) -> Ground | None:
    row = _where(ground, {"is live": 1, "is set": 1})
    difference = {"suite": 2, "suite difference is something": 1, "suite difference inverse": 1}
    return None if row is None else set_and_repaired(ground, UNPROVEN, row, difference)


@accepted_without(WALKS, "a settlement requires nothing", "a settlement that pays a requirement on top")
def _settled_with_requirement(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    ends = draft.column("is settled") * draft.column("is last") * (draft.column("settles") == 1)
    for end in np.flatnonzero(ends).tolist():
        start = int(np.flatnonzero(draft.column("is start")[: end + 1])[-1])
        if start and not draft.column("is last")[start - 1]:
            continue
        draft.column("is negative")[start] = draft.column("is above")[start] = 0
        draft.column("tight")[start : end + 1] = 0
        draft.column("lots byte 0")[start] += 1
        for name in ("sum 0", "sum"):
            draft.column(name)[start : end + 1] -= 1
        draft.column("slack limb 0")[end] += 1
        draft.column("total 0")[start : end + 1] += 1
        draft.column("total 0")[end] += 1
        return draft.ground
    return None


@accepted_without(
    WALKS, "the first row starts a walk or is dead", "a walk without the first group's requirement"
)
def _begun_at_a_position(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    if not draft.column("is start")[0] or draft.trace[:, -1].any():
        return None
    required = [int(draft.column(name)[0]) for name in TOTALS]
    rows = int(np.flatnonzero(draft.column("is last"))[0])
    draft.trace[:] = np.roll(draft.trace, -1, axis=1)
    draft.trace[:, -1] = 0
    for name, first in zip(TOTALS, required, strict=True):
        draft.column(name)[:rows] -= first
    return draft.ground


@accepted_without(WALKS, "the last row of a walk is an end", "an answer without a walk")
def _answered_by_nothing(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    if draft.trace[:, 0].any() or not draft.column("is start")[1]:
        return None
    draft.column("is last")[0] = 1
    for name in (*WALK_CONSTANTS, "rank"):
        draft.column(name)[0] = draft.column(name)[1]
    draft.column("inverse")[0] = -pow(MAX_POSITIONS + 1, -1, PRIME)
    draft.column("group")[0] = draft.column("group")[1] + MAX_POSITIONS + 1
    return draft.ground


@accepted_without(
    WALKS, "an end that is not the walk's is followed by a start", "a walk that nobody asked for"
)
def _nobody_answered(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    ends = np.flatnonzero(draft.column("is last"))
    if not ends.size or ends[-1] + 2 >= draft.trace.shape[1]:
        return None
    end = int(ends[-1])
    draft.column("is last")[end] = 0
    for name in (*WALK_CONSTANTS, *TOTALS, "rank"):
        draft.column(name)[end + 1] = draft.column(name)[end]
    for name, step in (("old place", "was"), ("new place", "is"), ("edits", "takes edit")):
        draft.column(name)[end + 1] = draft.column(name)[end] + draft.column(step)[end]
    draft.column("group")[end + 1] = draft.column("group")[end] + 1
    draft.column("inverse")[end] = 1
    return draft.ground


@accepted_without(WALKS, "a position was or is", "a position in neither list")
def _in_neither_list(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    closed = draft.column("is position") * draft.column("was") * (1 - draft.column("is"))
    closed *= (draft.column("lots") == 0) * draft.column("takes edit")
    if not closed.any():
        return None
    row = int(np.flatnonzero(closed)[0])
    last = row + int(np.flatnonzero(draft.column("is last")[row:])[0])
    for name in ("was", "old lots", "takes edit"):
        draft.column(name)[row] = 0
    for name in ("old place", "edits"):
        draft.column(name)[row + 1 : last + 1] -= 1
    return draft.ground


@accepted_without(
    WALKS, "a priced group of a walk that settles is settled", "a group that is closed and pays nothing"
)
def _closed_without_payoff(ground: Ground) -> Ground | None:
    draft = Draft(ground)
    ends = (
        draft.column("is settled")
        * draft.column("is last")
        * (draft.column("slack limb 3") >= PAYOFF_OFFSET_TOP)
    )
    if not ends.any():
        return None
    row = int(np.flatnonzero(ends)[0])
    for name in ("is settled", "takes edit"):
        draft.column(name)[row] = 0
    for i, name in enumerate(TOTALS):
        draft.column(name)[row] -= draft.column(f"slack limb {i}")[row] - PAYOFF_OFFSET_TOP * (i == 3)
    draft.column("slack limb 3")[row] -= PAYOFF_OFFSET_TOP
    return draft.ground


def _entry_twice(place: int, is_closing: int) -> Forge:
    def forge(ground: Ground) -> Ground | None:
        draft = Draft(ground)
        above = draft.column(f"has position {place - 1}" if place else "is live")
        free = above * (1 - draft.column(f"has position {place}")) * (1 - draft.column("goes on"))
        free *= (draft.column("is closing") == is_closing) & (draft.column("row") == 0)
        if not free.any():
            return None
        row = int(np.flatnonzero(free)[0])
        draft.column(f"has position {place}")[row] = 2
        draft.column(f"takes position {place}")[row] = 2 * is_closing
        draft.column("count")[row] += 2
        return draft.ground

    return forge


for _place in (place for place in range(POSITIONS_A_ROW) if place not in FIRST_POSITIONS):
    for _sent in (0, 1):
        accepted_without(
            POSITION_LISTS,
            f"the {'send' if _sent else 'receive'} number {ENTRIES_FROM + 2 * _place + 1 - _sent} on bus positions "
            "happens once or not at all",
            "an entry of nothing that is there twice",
        )(_entry_twice(_place, 1 - _sent))


def _begin(draft: Draft) -> None:
    """The value on the first row, from the point and the first words."""
    for c, name in enumerate(RUNNING):
        draft.column(name)[0] -= draft.residual(f"the value begins with a one, coordinate {c}", 0)


def _word_taken_twice(word: int) -> Forge:
    def forge(ground: Ground) -> Ground:
        draft = Draft(ground)
        last = int(np.flatnonzero(draft.column("is last"))[0])
        for place in range(RATE):
            draft.column(HAS_WORD[place])[last] = 1 if place < word else 2 * (place == word)
            if place >= word:
                draft.column(WORDS[place])[last] = 0
        if last:
            for c, name in enumerate(RUNNING):
                rule = f"the value takes in the next words, coordinate {c}"
                draft.column(name)[last] -= draft.residual(rule, last - 1)
        else:
            _begin(draft)
        draft.say("data length", BYTES_A_WORD * (RATE * last + word + 2))
        # The statement's value is whatever makes the last row true: a linear system.
        rules = [f"the last value is the statement's, coordinate {c}" for c in range(len(VALUE))]
        columns = []
        for chosen in (None, *VALUE):
            for name in VALUE:
                draft.say(name, int(name == chosen))
            columns.append(np.array([draft.residual(rule, last) for rule in rules], np.int64))
        slopes = np.stack([(column - columns[0]) % PRIME for column in columns[1:]], axis=1)
        value = solve(slopes, -columns[0] % PRIME)
        assert value is not None
        for name, one in zip(VALUE, value.tolist(), strict=True):
            draft.say(name, one)
        return draft.ground

    return forge


for _word in range(1, RATE):
    accepted_without(DATA, f"word {_word} is there or not", "a word that is published twice")(
        _word_taken_twice(_word)
    )
