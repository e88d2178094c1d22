"""What the batching challenge weighs in the circuits that are used: every column at every point, each on its own.

The argument for columns of several heights counts on powers that never repeat, and the bits on how many there are.
"""

from __future__ import annotations

from collections import Counter

import pytest

from circuits.aggregation import BASE_PRESET
from circuits.verifying import key_of_shape
from prover.field.koalabear import PRIME
from prover.recursion.chain import first_step_key, last_step_key
from prover.stark.key import VerificationKey
from prover.stark.number_arithmetic import NumberArithmetic
from prover.stark.numbers import Quintic, canonical
from prover.stark.proof import OpenedMatrix, Proof
from prover.stark.security import security_shape
from prover.stark.verifier import Challenges, Verification

ANY_ROOT = tuple(range(8))
POINT, BATCHING = Quintic((5, 4, 3, 2, 1)), Quintic((PRIME - 2, 11, 13, 17, 19))
ZERO = Quintic((0,) * 5)


def verification(key: VerificationKey) -> Verification:
    """A verifier that has come to the words: every opened value is zero."""
    openings = tuple(
        tuple(
            OpenedMatrix((ZERO,) * matrix.columns, (ZERO,) * len(matrix.next_columns))
            for matrix in phase.matrices
        )
        for phase in key.shape.phases
    )
    messages: Proof[object, Quintic, object] = Proof((), (), openings, (), (), (), ())
    made = Verification(NumberArithmetic(key.parameters), key, key.preprocessed_root, [], messages)
    made.challenges = Challenges([], None, POINT, BATCHING)
    return made


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda: key_of_shape("large", BASE_PRESET), id="batch"),
        pytest.param(lambda: first_step_key(60, ANY_ROOT), id="first step"),
        pytest.param(lambda: last_step_key(60, ANY_ROOT), id="last step"),
    ],
)
def test_every_column_has_a_power_of_its_own_at_every_point(key: object) -> None:
    made: VerificationKey = key()  # type: ignore[operator]  # a function, called where a test may take time
    inputs = verification(made)._deep_inputs()
    assert list(inputs) == sorted(set(made.log_heights), reverse=True)
    weighed: Counter[tuple[int, int, int, int]] = Counter()
    powers = []
    for log_height, deep in inputs.items():
        for at_next, columns in enumerate((deep.current, deep.next)):
            for phase, matrix, column, power in columns:
                assert made.shape.phases[phase].matrices[matrix].log_height == log_height
                weighed[phase, matrix, column, at_next] += 1
                powers.append(canonical(power))
    opened = {
        (i, j, column, at_next)
        for i, phase in enumerate(made.shape.phases)
        for j, matrix in enumerate(phase.matrices)
        for at_next, columns in enumerate((range(matrix.columns), matrix.next_columns))
        for column in columns
    }
    assert set(weighed) == opened
    assert set(weighed.values()) == {1}
    # The reports count one word for each, and the curve through them has one degree less.
    assert len(powers) == security_shape(made).batched_columns
    expected, power = set(), Quintic((1, 0, 0, 0, 0))
    for _ in powers:
        expected.add(canonical(power))
        power = power * BATCHING
    assert set(powers) == expected
    assert len(expected) == len(powers)
