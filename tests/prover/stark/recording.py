"""A verifier's arithmetic without values: it writes down what it is asked to do, and plays it back on numbers.

An element is the number of the operation that made it: whoever looks for a value finds none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from prover.errors import Reason
from prover.hash.domain import HashKind, SuiteId
from prover.hash.poseidon import POSEIDON_SUITES, compress, sponge
from prover.parameters import StarkParameters
from prover.stark.arithmetic import Arithmetic, Challenger
from prover.stark.key import VerificationKey
from prover.stark.number_arithmetic import NumberArithmetic, NumberChallenger
from prover.stark.numbers import Number, Quintic
from prover.stark.proof import OpenedMatrix, Proof, Query, TreeOpening
from prover.stark.verifier import Verification
from prover.transcript import Label, integer_transcript

Operation = tuple[Any, ...]
"""What was asked for, then its operands: identifiers, constants, labels and reasons."""


class NoValue(AssertionError):  # noqa: N818 - it says what is missing
    """The verifier looked at a value that a recording does not have."""


@dataclass(slots=True)
class Tape:
    """Operations in the order in which they were asked for; an element is the index of its operation."""

    operations: list[Operation] = field(default_factory=list)

    def append(self, *operation: Any) -> Wire:
        """Write down one operation and give the element that it makes."""
        self.operations.append(operation)
        return Wire(self, len(self.operations) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class Wire:
    """An element or digest that has an origin and no value."""

    tape: Tape
    origin: int

    def _with(self, name: str, other: Wire | int) -> Wire:
        operand = ("constant", other) if isinstance(other, int) else other.origin
        return self.tape.append(name, self.origin, operand)

    def __add__(self, other: Wire | int) -> Wire:
        return self._with("add", other)

    def __sub__(self, other: Wire | int) -> Wire:
        return self._with("subtract", other)

    def __mul__(self, other: Wire | int) -> Wire:
        return self._with("multiply", other)

    def __bool__(self) -> bool:
        raise NoValue

    def __eq__(self, other: object) -> bool:
        raise NoValue

    def __hash__(self) -> int:
        raise NoValue

    def __int__(self) -> int:
        raise NoValue

    def __index__(self) -> int:
        raise NoValue

    def __iter__(self) -> Iterator[Wire]:
        raise NoValue


def origins(wires: Sequence[Wire]) -> tuple[int, ...]:
    """Where the wires come from."""
    return tuple(wire.origin for wire in wires)


class RecordingChallenger(Challenger[Wire, Wire, Wire]):
    """A transcript that is written down."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    def absorb_elements(self, label: int, elements: Sequence[Wire]) -> None:
        self.tape.append("absorb elements", label, *origins(elements))

    def absorb_extension(self, label: int, elements: Sequence[Wire]) -> None:
        self.tape.append("absorb extension", label, *origins(elements))

    def absorb_digest(self, label: int, digest: Wire) -> None:
        self.tape.append("absorb digest", label, digest.origin)

    def check_grinding(self, label: int, nonce: Wire, bits: int, reason: Reason) -> None:
        self.tape.append("check grinding", label, nonce.origin, bits, reason)

    def draw_extension(self, label: int) -> Wire:
        return self.tape.append("draw extension", label)

    def draw_positions(self, label: int, count: int, bits: int) -> list[list[Wire]]:
        drawn = self.tape.append("draw positions", label, count, bits)
        return [[self.tape.append("bit", drawn.origin, i, j) for j in range(bits)] for i in range(count)]


class RecordingArithmetic(Arithmetic[Wire, Wire, Wire]):
    """An arithmetic that is written down."""

    def __init__(self) -> None:
        self.tape = Tape()

    def base(self, value: int) -> Wire:
        return self.tape.append("base", value)

    def extension(self, coordinates: Sequence[Wire]) -> Wire:
        return self.tape.append("extension", *origins(coordinates))

    def inverse(self, value: Wire, reason: Reason) -> Wire:
        return self.tape.append("inverse", value.origin, reason)

    def require_equal(self, left: Wire, right: Wire, reason: Reason, detail: str) -> None:
        self.tape.append("require equal", left.origin, right.origin, reason, detail)

    def require_same_digest(self, left: Wire, right: Wire, reason: Reason, detail: str) -> None:
        self.tape.append("require same digest", left.origin, right.origin, reason, detail)

    def hash_row(self, elements: Sequence[Wire]) -> Wire:
        return self.tape.append("hash row", *origins(elements))

    def compress_at(self, bit: Wire, node: Wire, sibling: Wire, level: int) -> Wire:
        return self.tape.append("compress at", bit.origin, node.origin, sibling.origin, level)

    def compress(self, left: Wire, right: Wire, level: int) -> Wire:
        return self.tape.append("compress", left.origin, right.origin, level)

    def challenger(self, parameters: StarkParameters) -> RecordingChallenger:
        return RecordingChallenger(self.tape)

    def gather(
        self, queries: Sequence[Query[Wire, Wire, Wire]], positions: Sequence[Sequence[Wire]]
    ) -> list[tuple[Query[Wire, Wire, Wire], list[Wire]]]:
        return [(query, list(bits)) for query, bits in zip(queries, positions, strict=True)]


def sources(operation: Operation) -> list[int]:
    """The elements that an operation reads; everything else in it is a constant, a label or a reason."""
    name, *given = operation
    match name:
        case "extension" | "hash row":
            return list(given)
        case "add" | "subtract" | "multiply":
            return [origin for origin in given if isinstance(origin, int)]
        case "inverse" | "bit":
            return [given[0]]
        case "require equal" | "require same digest" | "compress":
            return list(given[:2])
        case "compress at":
            return list(given[:3])
        case "absorb elements" | "absorb extension":
            return list(given[1:])
        case "absorb digest" | "check grinding":
            return [given[1]]
    return []


JUDGES = {"require equal", "require same digest", "check grinding", "inverse"}
"""Operations that can refuse."""

LISTENERS = {"absorb elements", "absorb extension", "absorb digest", "check grinding"}
"""Operations that put something into the transcript."""


def reaching(operations: Sequence[Operation], sinks: set[str]) -> set[int]:
    """Every element that flows into one of these operations."""
    reached: set[int] = set()
    for place in range(len(operations) - 1, -1, -1):
        if operations[place][0] in sinks or place in reached:
            reached.update(sources(operations[place]))
    return reached


@dataclass(frozen=True, slots=True)
class Recording:
    """The operations of a verification, and the values that its inputs had."""

    operations: list[Operation]
    inputs: list[Any]


def record(key: VerificationKey, statement: Sequence[int], proof: Proof[int, Any, Any]) -> Recording:
    """Run the verifier without values; the values go into the list of inputs alone."""
    arithmetic, values = RecordingArithmetic(), []

    def take(value: Any) -> Wire:
        values.append(value)
        return arithmetic.tape.append("input", len(values) - 1)

    def opening(given: TreeOpening[int, Any]) -> TreeOpening[Wire, Wire]:
        rows = tuple(tuple(take(Number(v)) for v in row) for row in given.rows)
        return TreeOpening(rows, tuple(map(take, given.path)))

    def matrix(given: OpenedMatrix[Any]) -> OpenedMatrix[Wire]:
        return OpenedMatrix(
            tuple(take(Quintic(v)) for v in given.current), tuple(take(Quintic(v)) for v in given.next)
        )

    wires = Proof(
        tuple(map(take, proof.roots)),
        tuple(take(Quintic(v)) for v in proof.bus_sums),
        tuple(tuple(map(matrix, phase)) for phase in proof.openings),
        tuple(map(take, proof.fold_roots)),
        tuple(take(Quintic(v)) for v in proof.final_polynomial),
        tuple(take(Number(v)) for v in proof.nonces),
        tuple(Query(tuple(map(opening, q.phases)), tuple(map(opening, q.folds))) for q in proof.queries),
    )
    root = None if key.preprocessed_root is None else take(key.preprocessed_root)
    Verification(arithmetic, key, root, [take(Number(v)) for v in statement], wires).run()
    return Recording(arithmetic.tape.operations, values)


def replay(operations: Sequence[Operation], inputs: Sequence[Any], parameters: StarkParameters) -> None:
    """Do on single numbers what was written down; raises ProofRefused where a requirement does not hold.

    Only the transcript is the verifier's own: fields come from the numbers, hashes from the plain sponge.
    """
    suite = SuiteId(parameters.suite.number)
    hashes = POSEIDON_SUITES[suite]
    field_operations = NumberArithmetic(parameters)
    challenger = NumberChallenger(integer_transcript(suite))
    values: list[Any] = []

    def operand(origin: Any) -> Any:
        return origin[1] if isinstance(origin, tuple) else values[origin]

    def require_same_digest(left: Any, right: Any, reason: Reason, detail: str) -> None:
        pairs = zip(left, right, strict=True)
        for a, b in pairs:
            field_operations.require_equal(Quintic([a]), Quintic([b]), reason, detail)

    def step(name: str, given: Sequence[Any]) -> Any:
        match name:
            case "input":
                return inputs[given[0]]
            case "base":
                return field_operations.base(given[0])
            case "extension":
                return field_operations.extension([values[origin] for origin in given])
            case "add":
                return values[given[0]] + operand(given[1])
            case "subtract":
                return values[given[0]] - operand(given[1])
            case "multiply":
                return values[given[0]] * operand(given[1])
            case "inverse":
                return field_operations.inverse(values[given[0]], given[1])
            case "require equal":
                return field_operations.require_equal(values[given[0]], values[given[1]], *given[2:])
            case "require same digest":
                return require_same_digest(values[given[0]], values[given[1]], *given[2:])
            case "hash row":
                return sponge(hashes, HashKind.ROW, [int(values[origin].value) for origin in given])
            case "compress":
                return compress(values[given[0]], values[given[1]], given[2], hashes)
            case "compress at":
                bit, node, sibling, level = given
                children = (values[node], values[sibling])
                left, right = reversed(children) if values[bit].value else children
                return compress(left, right, level, hashes)
            case "absorb elements":
                return challenger.absorb_elements(given[0], [values[origin] for origin in given[1:]])
            case "absorb extension":
                return challenger.absorb_extension(given[0], [values[origin] for origin in given[1:]])
            case "absorb digest":
                return challenger.absorb_digest(given[0], values[given[1]])
            case "check grinding":
                return challenger.check_grinding(given[0], values[given[1]], *given[2:])
            case "draw extension":
                return challenger.draw_extension(Label(given[0]))
            case "draw positions":
                return challenger.draw_positions(Label(given[0]), *given[1:])
            case "bit":
                return values[given[0]][given[1]][given[2]]
        raise NotImplementedError(name)

    for name, *given in operations:
        values.append(step(name, given))
