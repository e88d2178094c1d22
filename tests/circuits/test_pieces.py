"""Numbers in pieces and wide numbers: sums of whole pieces, the codec's words, and the rules' own formulas."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from circuits.gadgets.pieces import Pieces
from circuits.gadgets.wide import Wide
from circuits.record import words_of
from circuits.signed_message import message_limbs
from prover.air.expression import Expression, lift
from prover.field.koalabear import PRIME
from rollup.fields import build, layout_of, pack, signed_limbs
from rollup.formulas import fee_identity, premium
from rollup.orders import Order
from rollup.outcome import Record
from rollup.transactions import (
    TAGS,
    CancelOrders,
    CancelOrdersRecord,
    SettleGroupRecord,
    TradeRecord,
    Transfer,
    TransferRecord,
    Withdrawal,
    WithdrawalRecord,
)

RECORDS = (TransferRecord, WithdrawalRecord, CancelOrdersRecord, TradeRecord, SettleGroupRecord)
SIGNED = (Order, Transfer, Withdrawal, CancelOrders)


def _bytes(number: int, bits: int) -> Pieces:
    """A number in constants: bytes, or the one bit of a flag."""
    if bits < 8:
        return Pieces.cut((lift(number), bits))
    return Pieces.cut(*((lift(number >> start & 0xFF), 8) for start in range(0, bits, 8)))


def _numbers(expressions: Sequence[Expression]) -> list[int | None]:
    return [expression.constant_value for expression in expressions]


def _specimens(kind: type) -> list[list[int]]:
    """Values of a class's fields: all zero, all at their largest, and random."""
    generator = random.Random(kind.__name__)
    limits = [field.limit for field in layout_of(kind).fields]
    drawn = [[generator.randrange(limit) for limit in limits] for _ in range(5)]
    return [[0] * len(limits), [limit - 1 for limit in limits], *drawn]


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_s_words_are_the_codec_s(kind: type[Record]) -> None:
    for values in _specimens(kind):
        declared = layout_of(kind).fields
        fields = {f.path: _bytes(value, f.bits) for f, value in zip(declared, values, strict=True)}
        expected = np.frombuffer(pack(TAGS[kind], build(kind, values)), dtype=">u2").tolist()
        assert _numbers(words_of(kind, fields)) == expected


@pytest.mark.parametrize("kind", SIGNED)
def test_a_message_s_limbs_are_the_rules_own(kind: type) -> None:
    for values in _specimens(kind):
        declared = layout_of(kind).fields
        fields = {f.path: _bytes(value, f.bits) for f, value in zip(declared, values, strict=True)}
        assert _numbers(message_limbs(kind, fields)) == list(signed_limbs(build(kind, values)))


def test_a_piece_that_is_cut_is_an_error_of_the_author() -> None:
    number = Pieces.cut((lift(5), 8), (lift(6), 16))
    assert _numbers([number.element, number.between(0, 8)]) == [5 + 6 * 256, 5]
    with pytest.raises(ValueError, match="bits 0 to 16 cut the piece from 8 to 24"):
        _ = number.limbs


def test_a_field_of_another_width_or_across_two_words_is_an_error_of_the_author() -> None:
    fields = {"account": _bytes(5, 24), "group": Pieces.cut((lift(6), 8))}
    with pytest.raises(ValueError, match=r"SettleGroupRecord\.group has 16 bits, not 8"):
        words_of(SettleGroupRecord, fields)
    fields = {"account": Pieces.cut((lift(5), 8), (lift(6), 16)), "group": _bytes(6, 16)}
    with pytest.raises(ValueError, match=r"SettleGroupRecord\.account: a piece lies in two words"):
        words_of(SettleGroupRecord, fields)


def _wide(number: int, count: int) -> Wide[Expression]:
    return Wide.of_bytes([lift(number >> 8 * i & 0xFF) for i in range(count)])


def _value(number: Wide[Expression]) -> int:
    """The integer that terms stand for; negative constants are kept modulo the prime, so terms are brought back."""
    terms = [value if value < PRIME // 2 else value - PRIME for value in map(_constant, number.terms)]
    return sum(term << 16 * place for place, term in enumerate(terms))


def _constant(expression: Expression) -> int:
    assert expression.constant_value is not None
    return expression.constant_value


@pytest.mark.parametrize("price", [0, 1, 255, 65_537, 2**32 - 1])
@pytest.mark.parametrize("lots", [1, 255, 256, 65_535])
@pytest.mark.parametrize("rate", [0, 1, 65_535])
def test_the_rules_formulas_hold_of_wide_numbers(price: int, lots: int, rate: int) -> None:
    paid = price * lots
    fee = -(-paid * rate // 1_000_000)
    excess = fee * 1_000_000 - paid * rate
    assert _value(premium(_wide(price, 4), _wide(lots, 2))) == paid
    identity = fee_identity(
        _wide(paid, 6), _wide(rate, 2), _wide(fee, 6), Wide((lift(excess),)), _wide(1_000_000, 3)
    )
    assert _value(identity) == 0


def test_wide_numbers_without_bytes_are_not_multiplied() -> None:
    with pytest.raises(ValueError, match="only numbers in bytes are multiplied"):
        _ = _wide(5, 2) * Wide((lift(6),))
