"""The bits of every round, their minimum, and the regime that proves the most."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from prover.field.koalabear import PRIME
from prover.soundness.bounds import (
    CHALLENGE_FIELD_SIZE,
    LEAST_MULTIPLICITY,
    MOST_MULTIPLICITY,
    Johnson,
    Regime,
    UniqueDecoding,
    bits_of,
)
from prover.soundness.shape import SecurityShape


@dataclass(frozen=True, slots=True)
class RoundBits:
    """What one round withstands, with and without its proof of work."""

    name: str
    bits: float
    bits_without_grinding: float
    grinding: int


@dataclass(frozen=True, slots=True)
class SoundnessReport:
    """Every round of one proof in one regime; the least of them is what is claimed."""

    regime: str
    johnson_multiplicity: int | None
    """The parameter m of the Johnson regime."""
    rounds: tuple[RoundBits, ...]
    summed_bits: float
    """-log2 of the sum of all rounds' errors: what to add up when proofs are chained."""

    @property
    def minimum(self) -> float:
        """The bits of the weakest round: an attacker attacks one round, with its grinding."""
        return min(entry.bits for entry in self.rounds)

    @property
    def minimum_without_grinding(self) -> float:
        """The same if proof of work counted nothing."""
        return min(entry.bits_without_grinding for entry in self.rounds)

    @property
    def weakest_round(self) -> str:
        """The name of the round that decides."""
        return min(self.rounds, key=lambda entry: entry.bits).name

    def to_json(self) -> dict[str, object]:
        """The report as plain values, for `json.dumps`."""
        return {
            "regime": self.regime,
            "johnson_multiplicity": self.johnson_multiplicity,
            "minimum": self.minimum,
            "minimum_without_grinding": self.minimum_without_grinding,
            "summed_bits": self.summed_bits,
            "weakest_round": self.weakest_round,
            "rounds": [
                {
                    "name": entry.name,
                    "bits": entry.bits,
                    "bits_without_grinding": entry.bits_without_grinding,
                    "grinding": entry.grinding,
                }
                for entry in self.rounds
            ],
        }


@dataclass(frozen=True, slots=True)
class _RoundError:
    """The chance that a cheat survives one round, before its grinding."""

    name: str
    error: Fraction
    grinding: int


def soundness(shape: SecurityShape) -> SoundnessReport:
    """The better of the two regimes, each a proof in its own right."""
    reports = (unique_decoding_report(shape), johnson_report(shape, best_multiplicity(shape)))
    return max(reports, key=lambda report: (report.minimum, report.summed_bits))


def unique_decoding_report(shape: SecurityShape) -> SoundnessReport:
    """All rounds with the radius of unique decoding."""
    return _report(shape, UniqueDecoding())


def johnson_report(shape: SecurityShape, multiplicity: int) -> SoundnessReport:
    """All rounds with a radius below Johnson's, at one value of the theorem's parameter m."""
    if multiplicity < LEAST_MULTIPLICITY:
        raise ValueError(f"the Johnson regime needs a multiplicity of at least 3, got {multiplicity}")
    return _report(shape, Johnson(multiplicity))


def best_multiplicity(shape: SecurityShape) -> int:
    """The m at which the weakest round is strongest.

    A larger m brings the radius nearer to Johnson's: the query round gains, every other round loses.
    So the best is on one side or the other of where they cross.
    """

    def weakest_other_less_query(multiplicity: int) -> float:
        regime = Johnson(multiplicity)
        others = min(_bits(entry) for entry in _algebraic_rounds(shape, regime))
        return _bits(_query_round(shape, regime)) - others

    def weakest(multiplicity: int) -> float:
        regime = Johnson(multiplicity)
        rounds = (*_algebraic_rounds(shape, regime), _query_round(shape, regime))
        return min(_bits(entry) for entry in rounds)

    candidates = range(LEAST_MULTIPLICITY, MOST_MULTIPLICITY)
    crossing = LEAST_MULTIPLICITY + bisect_left(candidates, 0.0, key=weakest_other_less_query)
    return max((max(crossing - 1, LEAST_MULTIPLICITY), crossing), key=weakest)


def chained_bits(summed_bits: Iterable[float]) -> float:
    """The bits of several proofs that all have to be sound, from their summed bits."""
    return -math.log2(math.fsum(2.0**-bits for bits in summed_bits))


def _report(shape: SecurityShape, regime: Regime) -> SoundnessReport:
    rounds = (*_algebraic_rounds(shape, regime), _query_round(shape, regime), _hash_round(shape))
    return SoundnessReport(
        regime=regime.name,
        johnson_multiplicity=regime.multiplicity,
        rounds=tuple(
            RoundBits(entry.name, _bits(entry), bits_of(entry.error), entry.grinding) for entry in rounds
        ),
        summed_bits=bits_of(sum((_capped(entry) for entry in rounds), start=Fraction(0))),
    )


def _algebraic_rounds(shape: SecurityShape, regime: Regime) -> list[_RoundError]:
    """The rounds whose challenge is a field element, in the order of the protocol."""
    log_blowup, grinding = shape.parameters.log_blowup, shape.parameters.grinding
    log_height = shape.log_max_height
    list_size = regime.list_size(log_blowup)
    rounds = []
    if shape.interactions:
        # A root of the cleared sum of fractions, or a zero among the denominators.
        # Soundness: without the second, a message whose denominator vanishes would be dropped uncounted.
        roots = shape.interactions * (shape.max_message_length + 2)
        lookup = list_size * roots / CHALLENGE_FIELD_SIZE
        rounds.append(_RoundError("lookup", lookup, grinding.challenge_round))
    for number, degree in enumerate(shape.challenge_degrees, start=1):
        error = list_size * degree / CHALLENGE_FIELD_SIZE
        rounds.append(_RoundError(f"challenge {number}", error, grinding.challenge_round))
    constraint = list_size * shape.constraints / CHALLENGE_FIELD_SIZE
    rounds.append(_RoundError("constraint", constraint, grinding.constraint))
    out_of_domain = _out_of_domain_error(shape, list_size)
    rounds.append(_RoundError("out of domain", out_of_domain, grinding.out_of_domain))
    # A single column is not combined with anything, but the curve bound at degree zero would claim certainty.
    batching = regime.curve_error(max(shape.batched_columns - 1, 1), log_height, log_blowup)
    rounds.append(_RoundError("batching", batching, grinding.batching))
    folds = zip(shape.fold_curve_degrees, shape.folded_log_heights, strict=True)
    for number, (degree, folded_log_height) in enumerate(folds, start=1):
        error = regime.curve_error(degree, folded_log_height, log_blowup)
        rounds.append(_RoundError(f"fold {number}", error, grinding.folding))
    return rounds


def _out_of_domain_error(shape: SecurityShape, list_size: Fraction) -> Fraction:
    """A root of the identity for some candidate, or a point inside a domain."""
    rows = 1 << shape.log_max_height
    points = rows << shape.parameters.log_blowup
    roots = shape.composition_degree * (rows + shape.out_of_domain_points - 1) + rows - 1
    return (list_size * roots + rows + points) / (CHALLENGE_FIELD_SIZE - rows - points)


def _query_round(shape: SecurityShape, regime: Regime) -> _RoundError:
    """Every query misses the positions at which a far word differs."""
    error = regime.agreement(shape.parameters.log_blowup) ** shape.parameters.queries
    return _RoundError("query", error, shape.parameters.grinding.query)


def _hash_round(shape: SecurityShape) -> _RoundError:
    """Two preimages of one digest of 26 or 32 bytes or 8 elements: half its bits, by the birthday bound."""
    if shape.parameters.suite.is_poseidon:
        return _RoundError("hash", Fraction(1, PRIME**4), 0)
    return _RoundError("hash", Fraction(1, 1 << 4 * shape.parameters.node_bytes), 0)


def _capped(entry: _RoundError) -> Fraction:
    """The error after grinding: an error above one would claim that grinding makes up for it."""
    return min(entry.error, Fraction(1)) / (1 << entry.grinding)


def _bits(entry: _RoundError) -> float:
    return bits_of(entry.error) + entry.grinding
