"""What is opened is what was committed, where it was committed (lines 14, 17 and 25)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from prover.air.builder import AirBuilder
from prover.errors import Reason
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.fri.prover import FoldedWord
from prover.hash.domain import HashKind, SuiteId
from prover.hash.keccak import keccak256
from prover.hash.keccak_layout import element_bytes
from prover.hash.suite import KeccakSuite, hash_suite
from prover.merkle import MalformedOpeningError, MixedTree, TreeShape, root_from_opening
from prover.stark.circuit import CircuitError, define_circuit
from prover.stark.encoding import NumberProof
from prover.stark.key import Digest, make_verification_key
from prover.stark.proof import Query, TreeOpening
from prover.stark.proving_key import ProvingKey
from prover.transcript import KeccakTranscript, Label
from tests.adversarial import specimen
from tests.adversarial.forgery import (
    Forging,
    assert_refused_by_one_check,
    honest_proof,
    proving_key,
    verdict,
    weak_parameters,
    weak_verdict,
)

Opening = TreeOpening[int, Digest]
PHASES = [
    "preprocessed",
    "main",
    "challenge round 1",
    "challenge round 2",
    "challenge round 3",
    "quotient",
]
REASONS = {
    "preprocessed": Reason.PREPROCESSED_ROW_NOT_IN_TREE,
    "main": Reason.MAIN_ROW_NOT_IN_TREE,
    "challenge round 1": Reason.CHALLENGE_ROUND_ROW_NOT_IN_TREE,
    "challenge round 2": Reason.CHALLENGE_ROUND_ROW_NOT_IN_TREE,
    "challenge round 3": Reason.CHALLENGE_ROUND_ROW_NOT_IN_TREE,
    "quotient": Reason.QUOTIENT_ROW_NOT_IN_TREE,
}


@pytest.fixture(scope="module")
def key() -> ProvingKey:
    return proving_key(specimen.circuit(), specimen.LOG_HEIGHTS, specimen.preprocessed())


@pytest.fixture(scope="module")
def proof(key: ProvingKey) -> NumberProof:
    return honest_proof(key, specimen.fill(), specimen.STATEMENT)


def test_the_specimen_has_every_kind_of_phase(key: ProvingKey) -> None:
    assert [phase.name for phase in key.verification.shape.phases] == PHASES


@pytest.mark.parametrize("liar", PHASES[1:])
def test_rows_that_do_not_lead_to_the_committed_root_are_refused(key: ProvingKey, liar: str) -> None:
    """A prover that commits to nothing at all could choose its rows when it knows every challenge."""

    class CommitsToNothing(Forging):
        def _absorb_root(self, label: Label, root: Digest) -> None:
            committed = PHASES[1 + len(self.roots)]
            super()._absorb_root(label, bytes(32) if committed == liar else root)

    forged = CommitsToNothing(key, specimen.fill(), specimen.STATEMENT).run().messages
    assert_refused_by_one_check(key.verification, specimen.STATEMENT, forged, REASONS[liar])


def test_folded_values_that_do_not_lead_to_the_folds_root_are_refused(key: ProvingKey) -> None:
    class CommitsToNoFold(Forging):
        def fold_root(self, word: FoldedWord) -> Digest:
            return bytes(32)

    forged = CommitsToNoFold(key, specimen.fill(), specimen.STATEMENT).run().messages
    assert_refused_by_one_check(key.verification, specimen.STATEMENT, forged, Reason.FOLD_ROW_NOT_IN_TREE)


def test_another_table_of_preprocessed_values_than_the_keys_is_refused() -> None:
    """The forger looks up 70, which stands in its own table but not in the key's."""
    honest = proving_key(specimen.lookup_circuit(), (2, 3), specimen.lookup_preprocessed())
    numbers = np.array([[0, 1, 2, 3, 4, 5, 6, 70]])
    own = proving_key(specimen.lookup_circuit(), (2, 3), [None, encode(numbers)])
    traces = [encode(np.array([[1, 70, 70, 2]])), encode(np.array([[0, 1, 1, 0, 0, 0, 0, 2]]))]
    forged = with_own_preprocessed_columns(honest, own, traces)
    assert_refused_by_one_check(honest.verification, [], forged, Reason.PREPROCESSED_ROW_NOT_IN_TREE)


def with_own_preprocessed_columns(
    honest: ProvingKey, own: ProvingKey, traces: Sequence[Montgomery]
) -> NumberProof:
    """A proof for the honest key by a forger who uses other preprocessed columns than the key's."""
    root = honest.verification.preprocessed_root
    assert isinstance(root, bytes)
    key_root: bytes = root

    class HearsTheKeysRoot(KeccakTranscript):
        def absorb_digest(self, label: Label, digest: bytes) -> None:
            super().absorb_digest(label, key_root if label is Label.PREPROCESSED else digest)

    return honest_proof(replace(own, verification=honest.verification), traces, (), HearsTheKeysRoot)


def test_preprocessed_columns_that_change_places_are_refused() -> None:
    """What the key calls left stands on the right: the forger's columns are the key's own, in another order."""

    def constrain(air: AirBuilder) -> None:
        for side in ("left", "right"):
            air.assert_equal(
                f"the cell is the {side} one", air.column(f"{side} cell"), air.preprocessed(side)
            )

    circuit = define_circuit("sides", [("sides", constrain)])
    sides = encode(np.stack([np.arange(8), np.arange(8) + 10]))
    swapped = np.ascontiguousarray(sides[::-1])
    honest, own = (proving_key(circuit, (3,), [content]) for content in (sides, swapped))
    assert honest.verification.digest != own.verification.digest
    assert verdict(honest.verification, [], honest_proof(honest, [sides])) is None
    forged = with_own_preprocessed_columns(honest, own, [swapped])
    assert_refused_by_one_check(honest.verification, [], forged, Reason.PREPROCESSED_ROW_NOT_IN_TREE)


def with_opening(proof: NumberProof, tree: int, change: Callable[[Opening], Opening]) -> NumberProof:
    """The proof with the first query's opening of one tree changed."""
    first, *others = proof.queries
    openings = [*first.phases, *first.folds]
    openings[tree] = change(openings[tree])
    count = len(first.phases)
    return replace(proof, queries=(Query(tuple(openings[:count]), tuple(openings[count:])), *others))


def reason_of_tree(key: ProvingKey, tree: int) -> Reason:
    return REASONS[PHASES[tree]] if tree < len(PHASES) else Reason.FOLD_ROW_NOT_IN_TREE


def test_every_sibling_of_every_tree_is_bound(key: ProvingKey, proof: NumberProof) -> None:
    first = proof.queries[0]
    for tree, opening in enumerate((*first.phases, *first.folds)):
        for depth in range(len(opening.path)):

            def change(opening: Opening, depth: int = depth) -> Opening:
                path = list(opening.path)
                path[depth] = bytes(32)
                return replace(opening, path=tuple(path))

            forged = with_opening(proof, tree, change)
            assert_refused_by_one_check(
                key.verification, specimen.STATEMENT, forged, reason_of_tree(key, tree)
            )


def test_every_opened_value_is_bound(key: ProvingKey, proof: NumberProof) -> None:
    """Values of the phases are bound by their trees and again by the folds, which is why nothing is fooled here."""
    first = proof.queries[0]
    for tree, opening in enumerate((*first.phases, *first.folds)):
        for matrix, row in enumerate(opening.rows):
            for column in range(len(row)):

                def change(opening: Opening, matrix: int = matrix, column: int = column) -> Opening:
                    rows = [list(row) for row in opening.rows]
                    rows[matrix][column] ^= 1
                    return replace(opening, rows=tuple(map(tuple, rows)))

                forged = with_opening(proof, tree, change)
                reason = reason_of_tree(key, tree)
                assert verdict(key.verification, specimen.STATEMENT, forged) is reason
                second = weak_verdict(key.verification, specimen.STATEMENT, forged, ignoring=[reason])
                assert second in {Reason.FOLD_INCONSISTENT, Reason.FINAL_POLYNOMIAL_MISMATCH}


@pytest.mark.parametrize("tree", range(len(PHASES) + 3))
@pytest.mark.parametrize("length", [-1, 1], ids=["shorter", "longer"])
def test_a_path_of_another_length_is_refused(
    key: ProvingKey, proof: NumberProof, tree: int, length: int
) -> None:
    """With a shorter path an inner node could pass for a leaf."""
    forged = with_opening(
        proof,
        tree,
        lambda opening: replace(
            opening, path=opening.path[:-1] if length < 0 else (*opening.path, bytes(32))
        ),
    )
    assert verdict(key.verification, specimen.STATEMENT, forged) is Reason.SHAPE


def test_a_column_moved_from_one_matrix_to_the_next_is_refused() -> None:
    """Matrices of one height are hashed side by side, so the tree does not see the move: the widths do."""
    circuit, preprocessed = specimen.lookup_circuit(), specimen.lookup_preprocessed()
    key = proving_key(circuit, (3, 3), preprocessed)
    honest = honest_proof(key, specimen.lookup_traces([1] * 8))

    def move(opening: Opening) -> Opening:
        ((number,), (count,)) = opening.rows
        return replace(opening, rows=((number, count), ()))

    forged = with_opening(honest, 1, move)
    assert verdict(key.verification, [], honest) is None
    assert verdict(key.verification, [], forged) is Reason.SHAPE


def test_without_the_widths_a_column_moved_to_the_next_matrix_leads_to_the_same_root(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite, shape = KeccakSuite(), TreeShape(1, ((2, 2), (1, 2)))
    matrices = [encode(np.arange(8 * width).reshape(width, 2, 4)) for width in (2, 1)]
    tree = MixedTree.commit(suite, matrices, 1)
    (first, second), path = tree.open(5).rows, tree.open(5).path
    moved = [first[:1], (*first[1:], *second)]
    with pytest.raises(MalformedOpeningError, match="do not have the widths"):
        root_from_opening(suite, shape, 5, moved, path)
    monkeypatch.setattr("prover.merkle._check_rows", lambda *_: None)
    assert root_from_opening(suite, shape, 5, moved, path) == tree.root


def test_a_shorter_matrix_opened_at_a_neighbours_place_is_refused(
    key: ProvingKey, proof: NumberProof
) -> None:
    """The row exists in the tree, but where the tree has it another query looks."""
    rows = [query.phases[1].rows for query in proof.queries]
    other = next(row for row in rows if row[1] != rows[0][1])

    def shift(opening: Opening) -> Opening:
        return replace(opening, rows=(opening.rows[0], other[1], opening.rows[2]))

    forged = with_opening(proof, 1, shift)
    reason = Reason.MAIN_ROW_NOT_IN_TREE
    assert verdict(key.verification, specimen.STATEMENT, forged) is reason
    weakly = weak_verdict(key.verification, specimen.STATEMENT, forged, ignoring=[reason])
    assert weakly is Reason.FOLD_INCONSISTENT


@pytest.mark.parametrize("suite", list(SuiteId), ids=lambda suite: suite.name)
def test_the_height_at_which_a_matrix_is_mixed_in_is_part_of_the_root(suite: SuiteId) -> None:
    """The same columns at two neighbouring heights, repeated so that every opened row is the same."""
    tall = np.full((1, 2, 8), 3, dtype=np.uint32)
    shorter = [np.full((1, 2, height), 5, dtype=np.uint32) for height in (8, 4, 2, 1)]
    roots = {MixedTree.commit(hash_suite(suite), [tall, matrix], 1).root for matrix in shorter}
    roots.add(MixedTree.commit(hash_suite(suite), [tall], 1).root)
    assert len(roots) == len(shorter) + 1


def test_a_leaf_is_never_a_node() -> None:
    """Sixteen elements take as many bytes as two nodes; only the prefix tells them apart."""
    suite = KeccakSuite()
    elements = [2 * i + 1 for i in range(16)]
    content = element_bytes(elements)
    leaf = suite.hash_elements(HashKind.ROW, elements)
    node = suite.compress(content[:32], content[32:], 0)
    assert leaf != node
    assert len(content) == 64, "without the prefix both would be this hash:"
    assert keccak256(content) not in {leaf, node}


class WithoutPrefixes(KeccakSuite):
    """Hashes bytes as they are: a row of sixteen elements and two nodes look alike."""

    def hash_elements(self, kind: HashKind, elements: Sequence[int], level: int = 0) -> bytes:
        return keccak256(element_bytes(elements))

    def compress(self, left: bytes, right: bytes, level: int) -> bytes:
        return keccak256(left + right)


def test_without_prefixes_a_leaf_could_be_opened_as_two_nodes() -> None:
    """The committed row spells two digests, of rows that nobody committed to."""
    weak = WithoutPrefixes()

    def spelled(row: list[int]) -> list[int]:
        digest = weak.hash_elements(HashKind.ROW, row)
        return [int.from_bytes(digest[place : place + 4], "big") for place in range(0, 32, 4)]

    rows = ([number, *range(15)] for number in itertools.count())
    never, beside = itertools.islice((row for row in rows if max(spelled(row)) < PRIME), 2)
    committed, other = spelled(never) + spelled(beside), [7] * 16
    taller = TreeShape(0, ((16, 2),))
    for suite, is_fooled in ((weak, True), (KeccakSuite(), False)):
        leaves = [suite.hash_elements(HashKind.ROW, row) for row in (committed, other)]
        root = suite.compress(leaves[0], leaves[1], 0)
        assert root_from_opening(suite, TreeShape(0, ((16, 1),)), 0, [committed], [leaves[1]]) == root
        path = [suite.hash_elements(HashKind.ROW, beside), leaves[1]]
        assert (root_from_opening(suite, taller, 0, [never], path) == root) is is_fooled


@pytest.mark.parametrize("suite", list(SuiteId), ids=lambda suite: suite.name)
def test_a_poseidon_leaf_and_a_node_of_every_level_are_tagged(suite: SuiteId) -> None:
    hashes = hash_suite(suite)
    left, right = (hashes.hash_elements(HashKind.ROW, [i]) for i in (1, 2))
    nodes = {hashes.compress(left, right, level) for level in range(24)}  # type: ignore[arg-type]
    kinds = {hashes.hash_elements(kind, [1]) for kind in HashKind}
    assert len(nodes) == 24
    assert len(kinds) == len(HashKind)
    assert not nodes & kinds


def test_a_proof_for_other_heights_is_refused() -> None:
    """Heights 4 and 8 have lists of the same lengths as 8 and 8, so here the transcript decides, not the shape."""
    circuit, preprocessed = specimen.lookup_circuit(), specimen.lookup_preprocessed()
    key = proving_key(circuit, (2, 3), preprocessed)
    other = proving_key(circuit, (3, 3), preprocessed)
    taller = proving_key(circuit, (4, 3), preprocessed)
    messages = honest_proof(other, specimen.lookup_traces([1] * 8))
    assert verdict(other.verification, [], messages) is None
    assert verdict(key.verification, [], messages) is Reason.CONSTRAINTS_DO_NOT_HOLD
    assert verdict(taller.verification, [], messages) is Reason.SHAPE


@pytest.mark.parametrize("log_heights", [(-1,), (23,), (64,)])
def test_a_height_that_no_domain_has_is_no_key(log_heights: Sequence[int]) -> None:
    with pytest.raises(CircuitError, match=r"table counter: height 2\^-?\d+ is outside 2\^0 to 2\^22"):
        make_verification_key(specimen.counter_circuit(), log_heights, weak_parameters())
