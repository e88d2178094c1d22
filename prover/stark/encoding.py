"""Proof bytes: a canonical, versioned encoding with hard limits, decoded strictly.

    magic 4 | version 2 | hiding 1 | circuit name: length 1, ASCII | key digest 32 | parameters 47
    | heights: count 2, 1 each | statement: count 4, 4 each | positions 4 each | roots | bus sums | openings
    | fold roots | final polynomial | nonces
    | for each tree: its distinct rows by ascending position, then the shared nodes of its paths

Integers are big-endian.  A field element is 4 bytes below the prime.  An extension element is five of them.
A digest is node_bytes bytes under Keccak, eight elements under Poseidon.
All counts behind the heading follow from the key.
So nothing in a proof can claim memory that its length does not pay for.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import unpack

from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME
from prover.hash.suite import AnySuite, KeccakSuite
from prover.merkle import TreeShape, encode_paths, expand_paths, shared_node_count
from prover.parameters import PARAMETERS_BYTES, StarkParameters
from prover.stark.key import Digest, VerificationKey
from prover.stark.numbers import Extension
from prover.stark.proof import OpenedMatrix, Proof, Query, TreeOpening
from prover.stark.shape import EXTENSION_DEGREE, Phase, Shape
from prover.stark.trees import suite_of

MAGIC = b"OCRP"
VERSION = 1
MAXIMUM_STATEMENT = 1 << 12
"""Public values of one circuit: read before the key is known, so the limit cannot be the key's."""

MAXIMUM_PROOF_BYTES = 1 << 24
"""No proof that anyone would wait for is larger; longer input is refused before it is read."""

NumberProof = Proof[int, Extension, Digest]
NumberQuery = Query[int, Extension, Digest]
NumberOpening = TreeOpening[int, Digest]


@dataclass(frozen=True, slots=True)
class Heading:
    """What a proof file says about itself before the first message."""

    circuit_name: str
    key_digest: bytes
    parameters: StarkParameters
    log_heights: tuple[int, ...]
    statement: tuple[int, ...]


@dataclass(slots=True)
class Writer:
    """Bytes, with the size of each part."""

    parts: list[bytes] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    section: str = "heading"

    def write(self, chunk: bytes) -> None:
        """Append bytes to the current section."""
        self.parts.append(chunk)
        self.sizes[self.section] = self.sizes.get(self.section, 0) + len(chunk)

    def integer(self, value: int, width: int) -> None:
        """Append a big-endian integer."""
        self.write(value.to_bytes(width, "big"))

    def elements(self, values: Sequence[int]) -> None:
        """Append field elements."""
        self.write(struct.pack(f">{len(values)}I", *values))

    def digest(self, digest: Digest) -> None:
        """Append a digest."""
        if isinstance(digest, bytes):
            self.write(digest)
        else:
            self.elements(digest)


@dataclass(slots=True)
class Reader:
    """Strict reading: every element canonical, nothing short, nothing left."""

    content: bytes
    offset: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    section: str = "heading"

    def read(self, length: int) -> bytes:
        """The next bytes."""
        if len(self.content) - self.offset < length:
            raise ProofRefused(Reason.TRUNCATED, f"the proof ends inside its {self.section}")
        chunk = self.content[self.offset : self.offset + length]
        self.offset += length
        self.sizes[self.section] = self.sizes.get(self.section, 0) + length
        return chunk

    def integer(self, width: int) -> int:
        """A big-endian integer."""
        return int.from_bytes(self.read(width), "big")

    def elements(self, count: int) -> tuple[int, ...]:
        """Field elements."""
        values: tuple[int, ...] = unpack(f">{count}I", self.read(4 * count))
        # Soundness: v + p would be another encoding of v, and so another proof of the same statement.
        if values and max(values) >= PRIME:
            raise ProofRefused(
                Reason.NON_CANONICAL_ELEMENT, f"a field element of the {self.section} is not below the prime"
            )
        return values

    def extensions(self, count: int) -> tuple[Extension, ...]:
        """Extension elements."""
        coordinates = iter(self.elements(EXTENSION_DEGREE * count))
        return tuple(zip(*[coordinates] * EXTENSION_DEGREE, strict=True))

    def digest(self, suite: AnySuite) -> Digest:
        """A digest of the suite."""
        return self.read(suite.node_bytes) if isinstance(suite, KeccakSuite) else self.elements(8)

    def finish(self) -> None:
        """Refuse anything left over."""
        if self.offset != len(self.content):
            left = len(self.content) - self.offset
            raise ProofRefused(Reason.TRAILING_BYTES, f"{left} bytes follow the end of the proof")


@dataclass(frozen=True, slots=True)
class DecodedProof:
    """A proof with its heading and the size of each part."""

    heading: Heading
    proof: NumberProof
    positions: tuple[int, ...]
    sizes: dict[str, int]


def write_heading(writer: Writer, heading: Heading) -> None:
    """Everything before the first message."""
    name = heading.circuit_name.encode("ascii")
    writer.write(MAGIC)
    writer.integer(VERSION, 2)
    # Room for hiding: salted leaves, masks and random rows will be announced here.
    writer.integer(0, 1)
    writer.integer(len(name), 1)
    writer.write(name)
    writer.write(heading.key_digest)
    writer.write(heading.parameters.to_bytes())
    writer.integer(len(heading.log_heights), 2)
    for log_height in heading.log_heights:
        writer.integer(log_height, 1)
    writer.section = "statement"
    writer.integer(len(heading.statement), 4)
    writer.elements(heading.statement)


def read_heading(reader: Reader) -> Heading:
    """Read a heading strictly; nothing here depends on a key."""
    if len(reader.content) > MAXIMUM_PROOF_BYTES:
        raise ProofRefused(Reason.OVERSIZE, f"a proof has at most {MAXIMUM_PROOF_BYTES} bytes")
    if reader.read(len(MAGIC)) != MAGIC:
        raise ProofRefused(Reason.WRONG_VERSION, "this is not a proof file")
    version = reader.integer(2)
    if version != VERSION:
        raise ProofRefused(Reason.WRONG_VERSION, f"format version {version} is not {VERSION}")
    if reader.integer(1) != 0:
        raise ProofRefused(Reason.HIDING_NOT_SUPPORTED, "this version does not read hiding proofs")
    name = reader.read(reader.integer(1))
    if not all(32 < byte < 127 for byte in name):
        raise ProofRefused(Reason.SHAPE, "the circuit's name is not printable ASCII")
    key_digest = reader.read(32)
    parameters = StarkParameters.from_bytes(reader.read(PARAMETERS_BYTES))
    log_heights = tuple(reader.read(reader.integer(2)))
    reader.section = "statement"
    count = reader.integer(4)
    if count > MAXIMUM_STATEMENT:
        raise ProofRefused(Reason.OVERSIZE, f"a statement has at most {MAXIMUM_STATEMENT} values")
    statement = reader.elements(count)
    return Heading(name.decode("ascii"), key_digest, parameters, log_heights, statement)


def encode_proof(
    key: VerificationKey, statement: Sequence[int], proof: NumberProof, positions: Sequence[int]
) -> bytes:
    """The canonical bytes of a proof; `positions` are those that its transcript drew."""
    return write_proof(key, statement, proof, positions).content


@dataclass(frozen=True, slots=True)
class EncodedProof:
    """The bytes of a proof and the size of each part."""

    content: bytes
    sizes: dict[str, int]


def write_proof(
    key: VerificationKey, statement: Sequence[int], proof: NumberProof, positions: Sequence[int]
) -> EncodedProof:
    """The canonical bytes of a proof, and how large each part is."""
    writer = Writer()
    shape, suite = key.shape, suite_of(key.parameters)
    write_heading(
        writer, Heading(key.circuit.name, key.digest, key.parameters, key.log_heights, tuple(statement))
    )
    writer.section = "positions"
    for position in positions:
        writer.integer(position, 4)
    writer.section = "roots"
    for root in proof.roots:
        writer.digest(root)
    writer.section = "bus sums"
    for bus_sum in proof.bus_sums:
        writer.elements(bus_sum)
    writer.section = "openings"
    for phase_openings in proof.openings:
        for matrix in phase_openings:
            for value in (*matrix.current, *matrix.next):
                writer.elements(value)
    writer.section = "fold roots"
    for root in proof.fold_roots:
        writer.digest(root)
    writer.section = "final polynomial"
    for coefficient in proof.final_polynomial:
        writer.elements(coefficient)
    writer.section = "nonces"
    for nonce in proof.nonces:
        writer.integer(nonce, _nonce_bytes(suite))
    for number, phase in enumerate(shape.trees):
        openings = [
            query.phases[number] if number < len(shape.phases) else query.folds[number - len(shape.phases)]
            for query in proof.queries
        ]
        _write_tree(writer, shape, phase, positions, openings)
    return EncodedProof(b"".join(writer.parts), writer.sizes)


def decode_proof(key: VerificationKey, content: bytes) -> DecodedProof:
    """Read a proof of this key strictly; every path is expanded to a full one."""
    reader = Reader(content)
    heading = read_heading(reader)
    _check_heading(key, heading)
    shape, parameters = key.shape, key.parameters
    suite = suite_of(parameters)
    reader.section = "positions"
    log_size = shape.log_max_height + parameters.log_blowup
    positions = [reader.integer(4) for _ in range(parameters.queries)]
    if any(position >> log_size for position in positions):
        raise ProofRefused(Reason.SHAPE, "a query position lies outside the domain")
    reader.section = "roots"
    committed = [phase for phase in shape.phases if phase.name != "preprocessed"]
    roots = tuple(reader.digest(suite) for _ in committed)
    reader.section = "bus sums"
    bus_sums = reader.extensions(len(shape.bus_tables))
    reader.section = "openings"
    openings = tuple(
        tuple(
            OpenedMatrix(reader.extensions(matrix.columns), reader.extensions(len(matrix.next_columns)))
            for matrix in phase.matrices
        )
        for phase in shape.phases
    )
    reader.section = "fold roots"
    fold_roots = tuple(reader.digest(suite) for _ in shape.folds)
    reader.section = "final polynomial"
    final_polynomial = reader.extensions(1 << shape.log_final_length)
    reader.section = "nonces"
    nonces = tuple(_read_nonce(reader, suite) for _ in range(shape.nonce_count))
    trees = [_read_tree(reader, suite, shape, phase, positions) for phase in shape.trees]
    reader.finish()
    count = len(shape.phases)
    queries: tuple[Query[int, Extension, Digest], ...] = tuple(
        Query(opened[:count], opened[count:]) for opened in zip(*trees, strict=True)
    )
    proof = Proof(roots, bus_sums, openings, fold_roots, final_polynomial, nonces, queries)
    return DecodedProof(heading, proof, tuple(positions), reader.sizes)


def _check_heading(key: VerificationKey, heading: Heading) -> None:
    if heading.circuit_name != key.circuit.name:
        raise ProofRefused(
            Reason.WRONG_KEY, f"the proof is about circuit {heading.circuit_name}, not {key.circuit.name}"
        )
    if heading.parameters != key.parameters:
        raise ProofRefused(Reason.WRONG_PARAMETERS, "the proof was made under other parameters")
    if heading.log_heights != key.log_heights:
        raise ProofRefused(Reason.HEIGHT_OUT_OF_RANGE, "the proof's table heights are not the key's")
    if heading.key_digest != key.digest:
        raise ProofRefused(Reason.WRONG_KEY, "the proof names another verification key")
    if len(heading.statement) != key.shape.public_count:
        raise ProofRefused(
            Reason.WRONG_STATEMENT_LENGTH,
            f"the statement has {len(heading.statement)} values, not {key.shape.public_count}",
        )


def _nonce_bytes(suite: AnySuite) -> int:
    return 8 if isinstance(suite, KeccakSuite) else 4


def _read_nonce(reader: Reader, suite: AnySuite) -> int:
    return reader.integer(8) if isinstance(suite, KeccakSuite) else reader.elements(1)[0]


def _tree_shape(shape: Shape, phase: Phase) -> TreeShape:
    return TreeShape(
        shape.parameters.log_blowup,
        tuple((matrix.columns, matrix.log_height) for matrix in phase.matrices),
    )


def _leaves(tree: TreeShape, positions: Sequence[int]) -> list[int]:
    """The leaves that the positions fall on, each once, ascending."""
    return sorted({position % (1 << tree.log_size) for position in positions})


def _write_tree(
    writer: Writer,
    shape: Shape,
    phase: Phase,
    positions: Sequence[int],
    openings: Sequence[TreeOpening[int, Digest]],
) -> None:
    tree = _tree_shape(shape, phase)
    by_leaf = {
        position % (1 << tree.log_size): opening
        for position, opening in zip(positions, openings, strict=True)
    }
    leaves = _leaves(tree, positions)
    writer.section = f"rows of {phase.name}"
    for leaf in leaves:
        for row in by_leaf[leaf].rows:
            writer.elements(row)
    writer.section = f"paths of {phase.name}"
    for node in encode_paths(tree, leaves, [by_leaf[leaf].path for leaf in leaves]):
        writer.digest(node)


def _read_tree(
    reader: Reader, suite: AnySuite, shape: Shape, phase: Phase, positions: Sequence[int]
) -> list[TreeOpening[int, Digest]]:
    tree = _tree_shape(shape, phase)
    leaves = _leaves(tree, positions)
    reader.section = f"rows of {phase.name}"
    rows = [tuple(reader.elements(columns) for columns, _ in tree.matrices) for _ in leaves]
    reader.section = f"paths of {phase.name}"
    nodes = [reader.digest(suite) for _ in range(shared_node_count(tree, leaves))]
    paths = expand_paths(suite, tree, leaves, rows, nodes)
    by_leaf = {
        leaf: TreeOpening(opened, path) for leaf, opened, path in zip(leaves, rows, paths, strict=True)
    }
    return [by_leaf[position % (1 << tree.log_size)] for position in positions]
