"""What the contract must refuse, each for the reason that the Python verifier gives.

Lines 9 and 16 to 18 are questions of length, which the contract takes from the description and never from the proof.
Line 15 cannot be forged here: the point comes out of the transcript, and no prover can make it lie in a domain.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from prover.errors import ProofRefused, Reason
from prover.export.calldata import encode_for_contract, verify_for_contract
from prover.export.description import CircuitDescription, StatementWord
from prover.field.koalabear import PRIME, Montgomery
from prover.parameters import Grinding, StarkParameters, SuiteName
from prover.stark.key import Digest
from prover.stark.proof import OpenedMatrix
from prover.stark.prover import Proved
from prover.stark.proving_key import ProvingKey
from prover.transcript import KeccakTranscript, Label
from tests.adversarial import specimen
from tests.adversarial.forgery import Forging, MakeTranscript, Openings, deaf, proving_key
from tests.verifier_contracts.stark_rehearsal import (
    START,
    STATEMENT,
    Contract,
    Rehearsal,
    rehearse,
)


def short_parameters(
    grinding: Grinding | None = None, *, queries: int = 8, log_fold_arity: int = 1, log_final_length: int = 1
) -> StarkParameters:
    """The parameters of the other forgeries, with the contract's nodes."""
    work = grinding or Grinding()
    return StarkParameters(
        "test-forgery", 2, queries, log_fold_arity, log_final_length, work, SuiteName.KECCAK, 26, True, 0
    )


class Judges:
    """Both verifiers of one key; they have to agree on everything."""

    def __init__(self, key: ProvingKey, words: list[int], layout: tuple[StatementWord, ...]) -> None:
        self.key, self.statement = key, words
        self.description = CircuitDescription(key.verification, layout)
        self.contract = Contract(self.description)

    def refusal(self, content: bytes, statement: list[int] | None = None) -> Reason | None:
        """The one reason of both."""
        words = self.statement if statement is None else statement
        try:
            verify_for_contract(self.description, words, content, accept_insecure=True)
        except ProofRefused as refused:
            reason: Reason | None = refused.reason
        else:
            reason = None
        assert self.contract.refusal(words, content) is reason
        return reason

    def of(self, made: Proved) -> Reason | None:
        """The reason for a prover's messages."""
        return self.refusal(encode_for_contract(self.key.verification, made.messages, made.positions))


def judges_of(made: Rehearsal) -> Judges:
    """Both verifiers of a rehearsal."""
    return Judges(made.key, made.words, STATEMENT)


@pytest.fixture(scope="module")
def specimen_judges() -> Judges:
    key = proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed(), short_parameters())
    return Judges(key, specimen.STATEMENT, (StatementWord(),) * 3)


@pytest.fixture(scope="module")
def counter_judges() -> Judges:
    return Judges(proving_key(specimen.counter_circuit(), (3,), (), short_parameters()), [], ())


@pytest.fixture(scope="module")
def rehearsal() -> Rehearsal:
    return rehearse()


@pytest.fixture(scope="module")
def judges(rehearsal: Rehearsal) -> Judges:
    return judges_of(rehearsal)


def run(judges: Judges, make_transcript: MakeTranscript = KeccakTranscript) -> Proved:
    """What a prover makes whose transcript may be another one."""
    return Forging(judges.key, specimen.fill(), specimen.STATEMENT, make_transcript).run()


FOREIGN_POSITIONS = {
    Reason.PREPROCESSED_ROW_NOT_IN_TREE,
    Reason.NON_CANONICAL_ELEMENT,
    Reason.TRUNCATED,
}
"""Where the contract draws other positions than the forger, the first tree is read at the wrong places."""

LAST_LABELS = {
    Label.OPENINGS,
    Label.FOLD_ROOT,
    Label.FINAL_POLYNOMIAL,
    Label.GRIND_BATCHING,
    Label.GRIND_FOLDING,
    Label.GRIND_QUERY,
}


def expected(label: Label) -> set[Reason]:
    return FOREIGN_POSITIONS if label in LAST_LABELS else {Reason.CONSTRAINTS_DO_NOT_HOLD}


def test_honest_proofs_are_accepted(
    specimen_judges: Judges, counter_judges: Judges, judges: Judges, rehearsal: Rehearsal
) -> None:
    assert specimen_judges.of(run(specimen_judges)) is None
    assert counter_judges.of(Forging(counter_judges.key, specimen.counter_trace(3)).run()) is None
    assert judges.refusal(rehearsal.content) is None


# ---------------------------------------------------------------------------- lines 1 to 8: the transcript

ABSORBED = [
    label
    for label in Label
    if label.name not in {"CONSTRAINT", "OUT_OF_DOMAIN", "BATCHING", "FOLDING", "QUERY"}
]


@pytest.mark.parametrize("label", ABSORBED, ids=lambda label: label.name)
def test_1_3_4_and_6_a_message_that_the_forger_does_not_absorb_is_refused(
    specimen_judges: Judges, label: Label
) -> None:
    assert specimen_judges.of(run(specimen_judges, deaf(label))) in expected(label)


@pytest.mark.parametrize("label", [Label.STATEMENT, Label.MAIN, Label.BUS_SUMS, Label.OPENINGS])
@pytest.mark.parametrize(
    "change", [lambda message: message + bytes(4), lambda message: message[::-1]], ids=["padded", "reversed"]
)
def test_2_a_message_absorbed_as_another_one_is_refused(
    specimen_judges: Judges, label: Label, change: Callable[[bytes], bytes]
) -> None:
    class Altering(KeccakTranscript):
        def absorb_bytes(self, heard: Label, message: bytes) -> None:
            super().absorb_bytes(heard, change(message) if heard is label else message)

    assert specimen_judges.of(run(specimen_judges, Altering)) in expected(label)


def element_places(rehearsal: Rehearsal) -> dict[str, int]:
    """Where an element of each kind stands in the bytes."""
    shape = rehearsal.key.verification.shape
    roots = 26 * (len(rehearsal.proof.roots) + len(shape.folds)) + 8 * shape.nonce_count
    openings = roots + 20 * len(shape.bus_tables)
    final = openings + 20 * rehearsal.description.tapes.opened_count
    trees = final + (20 << shape.log_final_length)
    return {"bus sum": roots, "opening": openings, "final polynomial": final, "row": trees}


@pytest.mark.parametrize("kind", ["bus sum", "opening", "final polynomial", "row"])
def test_5_an_element_written_as_itself_plus_the_prime_is_refused(
    judges: Judges, rehearsal: Rehearsal, kind: str
) -> None:
    place = element_places(rehearsal)[kind]
    content = bytearray(rehearsal.content)
    value = int.from_bytes(content[place : place + 4], "big") + PRIME
    content[place : place + 4] = value.to_bytes(4, "big")
    assert judges.refusal(bytes(content)) is Reason.NON_CANONICAL_ELEMENT


def test_5_an_element_of_a_folded_row_plus_the_prime_is_refused(judges: Judges, rehearsal: Rehearsal) -> None:
    first, *others = rehearsal.proof.queries
    ((value, *rest),) = first.folds[-1].rows
    row = (value + PRIME if value + PRIME < 1 << 32 else value, *rest)
    forged = replace(first, folds=(*first.folds[:-1], replace(first.folds[-1], rows=(row,))))
    content = encode_for_contract(
        rehearsal.key.verification,
        replace(rehearsal.proof, queries=(forged, *(forged if o == first else o for o in others))),
        rehearsal.positions,
    )
    expected_reason = Reason.NON_CANONICAL_ELEMENT if row[0] != value else None
    assert judges.refusal(content) is expected_reason


GRINDING_REASONS = [
    Reason.GRINDING_MISSING_CHALLENGE_ROUND,
    Reason.GRINDING_MISSING_CONSTRAINT,
    Reason.GRINDING_MISSING_OUT_OF_DOMAIN,
    Reason.GRINDING_MISSING_BATCHING,
    Reason.GRINDING_MISSING_FOLDING,
    Reason.GRINDING_MISSING_QUERY,
]


@pytest.mark.parametrize(("round", "reason"), list(enumerate(GRINDING_REASONS)), ids=GRINDING_REASONS)
def test_6_work_that_was_not_done_is_refused(round: int, reason: Reason) -> None:
    hard = replace(short_parameters(), grinding=Grinding(8, 8, 8, 8, 8, 8), queries=2)
    made = rehearse((4, 3), 2, hard)
    judges = judges_of(made)
    nonces = list(made.proof.nonces)
    place = -1 if round == len(GRINDING_REASONS) - 1 else round
    # Eight bits of work: another nonce has them with one chance in 256, and these draws are always the same.
    nonces[place] += 1
    assert judges.refusal(made.encoded(replace(made.proof, nonces=tuple(nonces)))) is reason


def test_7_challenges_from_the_base_field_are_refused(specimen_judges: Judges) -> None:
    class Narrow(KeccakTranscript):
        def challenge_extension(self, label: Label) -> tuple[int, ...]:
            return (super().challenge_extension(label)[0], 0, 0, 0, 0)

    assert specimen_judges.of(run(specimen_judges, Narrow)) is Reason.CONSTRAINTS_DO_NOT_HOLD


def test_8_a_proof_is_not_another_circuits_parameters_or_statements() -> None:
    # Without grinding, so that the refusal is about the statement and not about work done for another one.
    made = rehearse(parameters=short_parameters())
    judges = judges_of(made)
    assert judges.refusal(made.content) is None
    assert judges.contract.refusal(made.words, made.content, bytes(32)) is Reason.WRONG_KEY
    other = rehearse(start=START, parameters=short_parameters())
    assert judges.refusal(made.content, other.words) is Reason.CONSTRAINTS_DO_NOT_HOLD
    assert judges.refusal(other.content) is Reason.CONSTRAINTS_DO_NOT_HOLD
    assert judges.refusal(made.content, made.words[:1]) is Reason.WRONG_STATEMENT_LENGTH
    assert judges.refusal(made.content, [*made.words, 0]) is Reason.WRONG_STATEMENT_LENGTH
    elsewhere = rehearse(parameters=short_parameters(Grinding(query=1)))
    assert judges.refusal(elsewhere.content) is Reason.CONSTRAINTS_DO_NOT_HOLD


@pytest.mark.parametrize("word", [1 << 32, PRIME, PRIME + 5, (1 << 256) - 1])
def test_8_a_word_with_two_spellings_is_refused(judges: Judges, rehearsal: Rehearsal, word: int) -> None:
    start, end = rehearsal.words
    assert judges.refusal(rehearsal.content, [start, word]) is Reason.NON_CANONICAL_STATEMENT
    if word >> 32:
        assert judges.refusal(rehearsal.content, [word, end]) is Reason.NON_CANONICAL_STATEMENT


# --------------------------------------------------------------- lines 9 to 18: low degree, trees, lengths


def test_9_and_18_bytes_that_end_early_or_late_are_refused(judges: Judges, rehearsal: Rehearsal) -> None:
    content = rehearsal.content
    trees = element_places(rehearsal)["row"] + 20
    for length in (0, 1, 26, trees - 21, trees - 20, trees, len(content) // 2, len(content) - 1):
        assert judges.refusal(content[:length]) is Reason.TRUNCATED
    for more in (b"\0", bytes(26), b"\1" * 100):
        assert judges.refusal(content + more) is Reason.TRAILING_BYTES


class LyingOpenings(Forging):
    """Claims for the quotient what the constraints of a false trace ask for."""

    def alter_openings(self, openings: Openings) -> Openings:
        return self.claim_what_the_constraints_ask_for(openings)


def test_10_and_11_a_false_trace_whose_claims_fit_has_no_low_degree(counter_judges: Judges) -> None:
    made = LyingOpenings(counter_judges.key, specimen.counter_trace(3, step=5)).run()
    assert counter_judges.of(made) is Reason.FINAL_POLYNOMIAL_MISMATCH


def test_11_a_false_trace_is_refused_at_the_point(counter_judges: Judges) -> None:
    made = Forging(counter_judges.key, specimen.counter_trace(3, step=5)).run()
    assert counter_judges.of(made) is Reason.CONSTRAINTS_DO_NOT_HOLD


@pytest.mark.parametrize(("arity", "final"), [(2, 1), (3, 0), (1, 2), (1, 0)])
def test_12_folds_of_another_arity_or_number_are_refused(
    counter_judges: Judges, arity: int, final: int
) -> None:
    other = short_parameters(log_fold_arity=arity, log_final_length=final)
    elsewhere = Judges(proving_key(specimen.counter_circuit(), (3,), (), other), [], ())
    made = Forging(elsewhere.key, specimen.counter_trace(3)).run()
    content = encode_for_contract(elsewhere.key.verification, made.messages, made.positions)
    assert elsewhere.refusal(content) is None
    assert counter_judges.refusal(content) is not None


@pytest.mark.parametrize("from_fold", [0, 1])
def test_13_one_bad_fold_under_honest_trees_is_refused(counter_judges: Judges, from_fold: int) -> None:
    class OtherWord(LyingOpenings):
        def alter_word(self, number: int, word: Montgomery) -> Montgomery:
            return np.zeros_like(word) if number >= from_fold else word

    made = OtherWord(counter_judges.key, specimen.counter_trace(3, step=5)).run()
    assert counter_judges.of(made) is Reason.FOLD_INCONSISTENT


PHASE_REASONS = [
    Reason.MAIN_ROW_NOT_IN_TREE,
    *[Reason.CHALLENGE_ROUND_ROW_NOT_IN_TREE] * 3,
    Reason.QUOTIENT_ROW_NOT_IN_TREE,
]


@pytest.mark.parametrize("liar", range(len(PHASE_REASONS)))
def test_14_rows_that_do_not_lead_to_the_committed_root_are_refused(
    specimen_judges: Judges, liar: int
) -> None:
    class CommitsToNothing(Forging):
        def _absorb_root(self, label: Label, root: Digest) -> None:
            super()._absorb_root(label, bytes(26) if len(self.roots) == liar else root)

    made = CommitsToNothing(specimen_judges.key, specimen.fill(), specimen.STATEMENT).run()
    assert specimen_judges.of(made) is PHASE_REASONS[liar]


def test_14_every_node_and_every_opened_value_of_a_query_is_bound(specimen_judges: Judges) -> None:
    made = run(specimen_judges)
    key = specimen_judges.key.verification
    first, *others = made.messages.queries
    openings = [*first.phases, *first.folds]
    seen: Counter[Reason | None] = Counter()
    for tree, opening in enumerate(openings):
        changes = [
            replace(opening, path=(*opening.path[:depth], bytes(26), *opening.path[depth + 1 :]))
            for depth in range(0, len(opening.path), 2)
        ]
        changes += [
            replace(opening, rows=(*opening.rows[:m], (row[0] ^ 1, *row[1:]), *opening.rows[m + 1 :]))
            for m, row in enumerate(opening.rows)
        ]
        for changed in changes:
            altered = [*openings[:tree], changed, *openings[tree + 1 :]]
            count = len(first.phases)
            query = replace(first, phases=tuple(altered[:count]), folds=tuple(altered[count:]))
            # Other queries share nodes and rows with this one; the encoding takes the last one's.
            reordered = replace(made.messages, queries=(*others, query))
            positions = (*made.positions[1:], made.positions[0])
            seen[specimen_judges.refusal(encode_for_contract(key, reordered, positions))] += 1
    # A sibling that the other queries lead to is not sent, so changing it changes nothing.
    assert set(seen) - {None} == {
        *PHASE_REASONS,
        Reason.PREPROCESSED_ROW_NOT_IN_TREE,
        Reason.FOLD_ROW_NOT_IN_TREE,
    }
    assert seen[None] < seen.total() / 2


def test_16_a_value_that_is_not_opened_moves_everything_behind_it(
    judges: Judges, rehearsal: Rehearsal
) -> None:
    (main, *rest), *phases = rehearsal.proof.openings
    shorter = replace(rehearsal.proof, openings=((OpenedMatrix(main.current[1:], main.next), *rest), *phases))
    assert judges.refusal(rehearsal.encoded(shorter)) is not None


def test_17_a_proof_of_other_heights_is_refused(judges: Judges) -> None:
    assert judges.refusal(rehearse((7, 4)).content) is not None
    assert judges.refusal(rehearse((6, 3)).content) is not None


# ---------------------------------------------------------------------------------------- the whole corpus


def mutations(rehearsal: Rehearsal, count: int, seed: int) -> list[bytes]:
    """Bytes flipped, blocks exchanged, lengths changed."""
    draw = random.Random(seed)
    content = rehearsal.content
    mutated = []
    for number in range(count):
        place = draw.randrange(len(content) - 64)
        altered = bytearray(content)
        match number % 8:
            case 6:
                altered[place : place + 20], altered[place + 20 : place + 40] = (
                    altered[place + 20 : place + 40],
                    altered[place : place + 20],
                )
            case 7:
                altered = altered[:place] + altered[place + 1 :]
            case _:
                altered[place] ^= 1 << draw.randrange(8)
        mutated.append(bytes(altered))
    return [altered for altered in mutated if altered != content]


@pytest.mark.parametrize("seed", range(4))
def test_both_verifiers_agree_on_mutated_proofs(judges: Judges, rehearsal: Rehearsal, seed: int) -> None:
    reasons = Counter(judges.refusal(altered) for altered in mutations(rehearsal, 100, seed))
    assert reasons[None] == 0
    assert len(reasons) > 6


@pytest.mark.long
@pytest.mark.parametrize("start", [START, 77, 1 << 30])
def test_both_verifiers_agree_on_many_mutated_proofs(start: int) -> None:
    made = rehearse((7, 6), 4, start=start)
    judges = judges_of(made)
    reasons = Counter(judges.refusal(altered) for altered in mutations(made, 1000, start))
    assert reasons[None] == 0
