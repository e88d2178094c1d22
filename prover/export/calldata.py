"""Proofs as the contract reads them: what it can compute is left out, and everything stands in the order of use.

    roots 26 each | fold roots 26 each | nonces 8 each
    | bus sums | openings | final polynomial: 20 bytes each
    | for each tree: the leaves from left to right, and behind each the nodes on the way up, as far as it is its own

Integers are big-endian, a field element has 4 bytes, a node 26.
Leaf n and leaf n + half of all are siblings, so "from left to right" is by the bits of n, lowest bit first.
On the way up from a leaf comes one node a layer, until the way meets that of the next leaf or of one before;
where a layer is as wide as a shorter matrix is tall, the row of that matrix comes in.
Positions are not sent: the transcript gives them before the first tree is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from prover.errors import ProofRefused, Reason
from prover.export.description import CircuitDescription, phase_reason
from prover.hash.domain import HashKind
from prover.hash.suite import KeccakSuite
from prover.stark.encoding import NumberOpening, NumberProof, Reader, Writer
from prover.stark.key import Digest, VerificationKey
from prover.stark.number_arithmetic import LaneDigest, NumberArithmetic
from prover.stark.numbers import Extension, Number, Quintic
from prover.stark.proof import OpenedMatrix, Proof, Query, TreeOpening
from prover.stark.shape import Phase
from prover.stark.trees import suite_of
from prover.stark.verifier import Verification
from prover.stark.verify import DEFAULT_REQUIRED_BITS, Accepted, lift_proof, verify_messages
from prover.transcript import number_of

NONCE_BYTES = 8


class Step(Enum):
    """What comes next on the walk through the opened part of a tree."""

    ROW = "row"
    """The columns that are mixed into the node."""
    SIBLING = "sibling"
    """The node beside the way."""
    PARENT = "parent"
    """Nothing is read: the way goes up, from a node and its sibling."""


def reverse_bits(value: int, count: int) -> int:
    """The value with its lowest bits in opposite order."""
    return int(f"{value:0{count}b}"[::-1], 2) if count else 0


def walk(log_size: int, levels: Sequence[int], positions: Sequence[int]) -> Iterator[tuple[Step, int, int]]:
    """The steps through a tree of 2^log_size leaves: (step, layer, index within the layer).

    `levels` are the layers that rows are mixed into, that of the leaves included.
    """
    keys = sorted({reverse_bits(position % (1 << log_size), log_size) for position in positions})
    waiting: list[int] = []
    for place, key in enumerate(keys):
        leaf = reverse_bits(key, log_size)
        # The layer in which this leaf's way and the next one's are siblings.
        meeting = 0
        if place + 1 < len(keys):
            meeting = log_size + 1 - (key ^ keys[place + 1]).bit_length()
        level = log_size
        yield Step.ROW, level, leaf
        while level > meeting:
            if waiting and waiting[-1] == level:
                waiting.pop()
            else:
                yield Step.SIBLING, level, leaf % (1 << level) ^ 1 << (level - 1)
            level -= 1
            yield Step.PARENT, level, leaf % (1 << level)
            if level in levels:
                yield Step.ROW, level, leaf % (1 << level)
        waiting.append(level)


def encode_for_contract(key: VerificationKey, proof: NumberProof, positions: Sequence[int]) -> bytes:
    """The bytes of a proof for the contract; `positions` are those that its transcript drew."""
    writer = Writer()
    for digest in (*proof.roots, *proof.fold_roots):
        writer.digest(digest)
    for nonce in proof.nonces:
        writer.integer(nonce, NONCE_BYTES)
    for bus_sum in proof.bus_sums:
        writer.elements(bus_sum)
    for phase in proof.openings:
        for matrix in phase:
            for value in (*matrix.current, *matrix.next):
                writer.elements(value)
    for coefficient in proof.final_polynomial:
        writer.elements(coefficient)
    log_blowup = key.parameters.log_blowup
    for number, tree in enumerate(key.shape.trees):
        openings = [(*query.phases, *query.folds)[number] for query in proof.queries]
        _write_tree(writer, tree, log_blowup, positions, openings)
    return b"".join(writer.parts)


def _levels(tree: Phase, log_blowup: int) -> list[int]:
    return [matrix.log_height + log_blowup for matrix in tree.matrices]


def _write_tree(
    writer: Writer,
    tree: Phase,
    log_blowup: int,
    positions: Sequence[int],
    openings: Sequence[NumberOpening],
) -> None:
    levels = _levels(tree, log_blowup)
    log_size = max(levels)
    holder: dict[tuple[int, int], NumberOpening] = {}
    for position, opening in zip(positions, openings, strict=True):
        for level in range(log_size + 1):
            holder[level, position % (1 << level)] = opening
    for step, level, index in walk(log_size, levels, positions):
        if step is Step.ROW:
            for own, row in zip(levels, holder[level, index].rows, strict=True):
                if own == level:
                    writer.elements(row)
        elif step is Step.SIBLING:
            beside = holder[level, index ^ 1 << (level - 1)]
            writer.digest(beside.path[log_size - level])


@dataclass(slots=True)
class _TreeReader:
    """Reads one tree and computes the nodes that the encoding leaves out."""

    reader: Reader
    suite: KeccakSuite
    tree: Phase
    log_blowup: int
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    rows: dict[tuple[int, int], list[tuple[int, ...]]] = field(default_factory=dict)

    def read(self, positions: Sequence[int], root: Digest) -> list[TreeOpening[int, bytes]]:
        """One full opening for each position; a tree that does not lead to its root is not read past."""
        levels = _levels(self.tree, self.log_blowup)
        log_size = max(levels)
        for step, level, index in walk(log_size, levels, positions):
            place = level, index
            if step is Step.SIBLING:
                self.nodes[place] = self.reader.read(self.suite.node_bytes)
            elif step is Step.PARENT:
                left, right = self.nodes[level + 1, index], self.nodes[level + 1, index | 1 << level]
                self.nodes[place] = self.suite.compress(left, right, level)
            else:
                self._mix_in(place)
        if self.nodes[0, 0] != root:
            reason = phase_reason(self.tree.name)
            raise ProofRefused(reason, f"the rows of the {self.tree.name} tree do not lead to its root")
        openings = []
        for position in positions:
            rows: list[tuple[int, ...]] = []
            taken = dict.fromkeys(levels, 0)
            for level in levels:
                rows.append(self.rows[level, position % (1 << level)][taken[level]])
                taken[level] += 1
            path = [
                self.nodes[level, position % (1 << level) ^ 1 << (level - 1)]
                for level in range(log_size, 0, -1)
            ]
            openings.append(TreeOpening(tuple(rows), tuple(path)))
        return openings

    def _mix_in(self, place: tuple[int, int]) -> None:
        level, _ = place
        matrices = [m for m in self.tree.matrices if m.log_height + self.log_blowup == level]
        self.rows[place] = [self.reader.elements(matrix.columns) for matrix in matrices]
        digest = self.suite.hash_elements(HashKind.ROW, [v for row in self.rows[place] for v in row])
        if place in self.nodes:
            digest = self.suite.compress(self.nodes[place], digest, level)
        self.nodes[place] = digest


class _DrawingArithmetic(NumberArithmetic):
    """The verifier's arithmetic up to the positions: the queries behind them are not read yet."""

    def gather(
        self,
        queries: Sequence[Query[Number, Quintic, LaneDigest]],  # noqa: ARG002 - none is read yet
        positions: Sequence[Sequence[Number]],  # noqa: ARG002 - the run keeps them
    ) -> list[tuple[Query[Number, Quintic, LaneDigest], list[Number]]]:
        """No query."""
        return []


def verify_for_contract(
    description: CircuitDescription,
    words: Sequence[int],
    content: bytes,
    *,
    required_bits: int = DEFAULT_REQUIRED_BITS,
    accept_insecure: bool = False,
) -> Accepted:
    """Check the contract's bytes with the one verifier; raises ProofRefused, and nothing else, to say no."""
    key = description.key
    if len(words) != len(description.statement):
        raise ProofRefused(
            Reason.WRONG_STATEMENT_LENGTH,
            f"the statement has {len(words)} words, not {len(description.statement)}",
        )
    statement: list[int] = []
    for word, layout in zip(words, description.statement, strict=True):
        limbs = layout.limbs_of(word)
        if limbs is None:
            raise ProofRefused(Reason.NON_CANONICAL_STATEMENT, f"{word} is not {layout.limbs} limbs")
        statement += limbs
    proof = decode_for_contract(key, statement, content)
    return verify_messages(
        key, statement, proof, required_bits=required_bits, accept_insecure=accept_insecure
    )


def decode_for_contract(key: VerificationKey, statement: Sequence[int], content: bytes) -> NumberProof:
    """Read the contract's bytes strictly; the verifier runs up to the positions, for the trees depend on them."""
    shape = key.shape
    suite = suite_of(key.parameters)
    assert isinstance(suite, KeccakSuite)
    reader = Reader(content, section="messages")
    committed = [phase for phase in shape.phases if phase.name != "preprocessed"]
    roots = tuple(reader.read(suite.node_bytes) for _ in committed)
    fold_roots = tuple(reader.read(suite.node_bytes) for _ in shape.folds)
    nonces = tuple(reader.integer(NONCE_BYTES) for _ in range(shape.nonce_count))
    bus_sums = reader.extensions(len(shape.bus_tables))
    openings = tuple(
        tuple(
            OpenedMatrix(reader.extensions(matrix.columns), reader.extensions(len(matrix.next_columns)))
            for matrix in phase.matrices
        )
        for phase in shape.phases
    )
    final_polynomial = reader.extensions(1 << shape.log_final_length)
    proof: NumberProof = Proof(roots, bus_sums, openings, fold_roots, final_polynomial, nonces, ())
    verification = Verification(
        _DrawingArithmetic(key.parameters),
        key,
        key.preprocessed_root,
        [Number(value) for value in statement],
        lift_proof(proof),
    )
    verification.run()
    positions = [number_of([int(bit.value) for bit in position]) for position in verification.positions]
    reader.section = "trees"
    log_blowup = key.parameters.log_blowup
    given = () if key.preprocessed_root is None else (key.preprocessed_root,)
    trees = [
        _TreeReader(reader, suite, tree, log_blowup).read(positions, root)
        for tree, root in zip(shape.trees, (*given, *roots, *fold_roots), strict=True)
    ]
    reader.finish()
    count = len(shape.phases)
    queries: tuple[Query[int, Extension, Digest], ...] = tuple(
        Query(tuple(o[:count]), tuple(o[count:])) for o in zip(*trees, strict=True)
    )
    return Proof(roots, bus_sums, openings, fold_roots, final_polynomial, nonces, queries)
