"""A circuit's description: everything that the contract has to know about a key, as bytes that it reads from code.

The contract itself is the same for every circuit.
`StarkCircuit.sol` names the places; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from prover.errors import Reason
from prover.export.constraints import HEIGHT_VALUES, CircuitTapes
from prover.export.tape import Value, encode_forms
from prover.field.koalabear import PRIME
from prover.hash.keccak import keccak256
from prover.hash.suite import SHORT_NODE_BYTES
from prover.parameters import SuiteName
from prover.stark.key import VerificationKey
from prover.stark.shape import EXTENSION_DEGREE, Phase
from prover.transcript import KeccakTranscript, Label

WORD_BYTES = 32

HEADER = (
    "KEY_DIGEST",
    "TRANSCRIPT_STATE",
    "PREPROCESSED_ROOT",
    "STATEMENT_WORDS",
    "STATEMENT",
    "PUBLIC_VALUES",
    "ROUNDS",
    "ROUND_LIST",
    "GRINDING_CHALLENGE_ROUND",
    "GRINDING_CONSTRAINT",
    "GRINDING_OUT_OF_DOMAIN",
    "GRINDING_BATCHING",
    "GRINDING_FOLDING",
    "GRINDING_QUERY",
    "ROOTS",
    "BUS_SUMS",
    "OPENED_VALUES",
    "LOG_FINAL_LENGTH",
    "QUERIES",
    "LOG_BLOWUP",
    "HEIGHTS",
    "HEIGHT_LIST",
    "PHASES",
    "PHASE_LIST",
    "FOLDS",
    "FOLD_LIST",
    "CONSTANTS",
    "CONSTANT_LIST",
    "COMBINERS",
    "PERIODIC_GROUPS",
    "PERIODIC_LIST",
    "MESSAGES",
    "MESSAGE_TAG",
    "MESSAGE_CHALLENGES",
    "TABLES",
    "CONSTRAINT_TAPE",
    "CLAIM_TAPE",
    "TAPE_END",
    "REGISTERS",
)
"""The words at the head of a description; a name ending in LIST, STATEMENT or TAPE is a place in it."""

MAXIMUM_DESCRIPTION_BYTES = 24_575
"""What the code of one contract holds behind its first byte (EIP-170)."""

NO_ROOT = 255
"""Marks the phase whose root is the key's, not the proof's."""

FRACTIONS = 2
"""Registers of the statement's messages: the sum over all of the product of the others, and the product."""

UNITS = EXTENSION_DEGREE - 1
"""Registers with X, .., X^4."""


class NotForEthereumError(ValueError):
    """A key that the contract cannot verify; the message says why."""


@dataclass(frozen=True, slots=True)
class StatementWord:
    """How one 256-bit word of the contract's statement becomes public values: its limbs, lowest first.

    Soundness: a word with more bits than its limbs, or a limb not below the prime, is refused.
    Otherwise two statements of the contract would be one statement of the circuit.
    """

    limbs: int = 1
    bits: int = 31

    def __post_init__(self) -> None:
        """Refuse what no word can hold."""
        if not (self.limbs > 0 and 0 < self.bits <= 32 and self.limbs * self.bits <= 256):
            raise NotForEthereumError(f"no word holds {self.limbs} limbs of {self.bits} bits")

    def limbs_of(self, word: int) -> tuple[int, ...] | None:
        """The public values of a word, None if it has too many bits or a limb is not below the prime."""
        values = tuple(word >> self.bits * k & ((1 << self.bits) - 1) for k in range(self.limbs))
        if word >> self.limbs * self.bits or max(values) >= PRIME:
            return None
        return values

    def word_of(self, limbs: Sequence[int]) -> int:
        """The word of public values."""
        return sum(limb << self.bits * k for k, limb in enumerate(limbs))


_REASONS = {
    "preprocessed": Reason.PREPROCESSED_ROW_NOT_IN_TREE,
    "main": Reason.MAIN_ROW_NOT_IN_TREE,
    "quotient": Reason.QUOTIENT_ROW_NOT_IN_TREE,
}


def phase_reason(name: str) -> Reason:
    """Why rows of a tree are refused that do not lead to its root."""
    if name.startswith("fold"):
        return Reason.FOLD_ROW_NOT_IN_TREE
    return _REASONS.get(name, Reason.CHALLENGE_ROUND_ROW_NOT_IN_TREE)


REASON_NUMBERS = {reason: number for number, reason in enumerate(Reason)}
"""The contract's enumeration has the reasons in the same order."""


@dataclass(frozen=True)
class CircuitDescription:
    """One key as the contract reads it."""

    key: VerificationKey
    statement: tuple[StatementWord, ...]

    def __post_init__(self) -> None:
        """Refuse keys whose proofs the contract cannot read."""
        parameters = self.key.parameters
        if parameters.suite is not SuiteName.KECCAK or parameters.node_bytes != SHORT_NODE_BYTES:
            raise NotForEthereumError(
                f"the contract reads Keccak trees with nodes of {SHORT_NODE_BYTES} bytes"
            )
        if sum(word.limbs for word in self.statement) != self.key.shape.public_count:
            raise NotForEthereumError("the statement's limbs are not the circuit's public values")

    @cached_property
    def tapes(self) -> CircuitTapes:
        """The circuit's tapes."""
        return CircuitTapes(self.key)

    def words(self, public_values: Sequence[int]) -> list[int]:
        """The contract's statement for public values of the circuit."""
        words, start = [], 0
        for layout in self.statement:
            words.append(layout.word_of(public_values[start : start + layout.limbs]))
            start += layout.limbs
        return words

    @cached_property
    def register_starts(self) -> dict[str, int]:
        """Where each section of registers begins, in the order in which the contract fills them."""
        tapes, shape = self.tapes, self.key.shape
        sizes = {
            "constant": len(tapes.constants),
            "unit": UNITS,
            "public": tapes.public_registers,
            "challenge": tapes.challenge_offsets[-1],
            "bus sum": len(shape.bus_tables),
            "combiner": tapes.combiner_count,
            "height": HEIGHT_VALUES * len(shape.input_heights),
            "periodic": sum(len(group.coefficients) for group in tapes.periodic),
            "fraction": FRACTIONS if tapes.messages else 0,
            "opened": tapes.opened_count,
            "check": len(shape.tables),
            "claim": 2 * len(shape.input_heights),
            "power": tapes.opened_count,
        }
        starts, start = {}, 0
        for section, size in sizes.items():
            starts[section] = start
            start += size
        return starts | {"temporary": start}

    @cached_property
    def parts(self) -> dict[str, bytes]:
        """Every list of the description under the name of the word that says where it stands; the header first."""
        starts = self.register_starts

        def number(value: Value) -> int:
            return starts[value.section] + value.index

        constraint_tape, used = encode_forms(self.tapes.constraints, number, starts["temporary"])
        claim_tape, also_used = encode_forms(self.tapes.claims, number, starts["temporary"])
        lists = {
            "STATEMENT": b"".join(bytes([word.limbs, word.bits]) for word in self.statement),
            "ROUND_LIST": self._rounds(),
            "HEIGHT_LIST": bytes(self.key.shape.input_heights),
            "PHASE_LIST": b"".join(self._phase(i, phase) for i, phase in enumerate(self.key.shape.phases)),
            "FOLD_LIST": b"".join(
                bytes([step.log_height, step.log_arity, int(step.is_mixed)]) for step in self.key.shape.folds
            ),
            "CONSTANT_LIST": b"".join(value.to_bytes(4, "big") for value in self.tapes.constants),
            "PERIODIC_LIST": self._periodic(),
            "CONSTRAINT_TAPE": constraint_tape,
            "CLAIM_TAPE": claim_tape,
        }
        numbers = self._numbers() | {"REGISTERS": max(used, also_used)}
        offset = WORD_BYTES * len(HEADER)
        for name, content in lists.items():
            numbers[name] = offset
            offset += len(content)
        numbers["TAPE_END"] = offset
        header = b"".join(numbers[name].to_bytes(WORD_BYTES, "big") for name in HEADER)
        return {"HEADER": header} | lists

    @cached_property
    def content(self) -> bytes:
        """The description."""
        content = b"".join(self.parts.values())
        if len(content) > MAXIMUM_DESCRIPTION_BYTES:
            raise NotForEthereumError(
                f"the description has {len(content)} bytes, a contract's code at most {MAXIMUM_DESCRIPTION_BYTES}"
            )
        return content

    @property
    def digest(self) -> bytes:
        """Keccak-256 of the description: who deploys it can compare it with the contract's."""
        return keccak256(self.content)

    def _numbers(self) -> dict[str, int]:
        key, shape, grinding = self.key, self.key.shape, self.key.parameters.grinding
        root, messages = key.preprocessed_root or b"", self.tapes.messages
        assert isinstance(root, bytes)
        return {
            "KEY_DIGEST": int.from_bytes(key.digest, "big"),
            "TRANSCRIPT_STATE": int.from_bytes(self._transcript_state(root), "big"),
            "PREPROCESSED_ROOT": int.from_bytes(root.ljust(WORD_BYTES, b"\0"), "big"),
            "STATEMENT_WORDS": len(self.statement),
            "PUBLIC_VALUES": self.tapes.public_registers,
            "ROUNDS": shape.rounds,
            "GRINDING_CHALLENGE_ROUND": grinding.challenge_round,
            "GRINDING_CONSTRAINT": grinding.constraint,
            "GRINDING_OUT_OF_DOMAIN": grinding.out_of_domain,
            "GRINDING_BATCHING": grinding.batching,
            "GRINDING_FOLDING": grinding.folding,
            "GRINDING_QUERY": grinding.query,
            "ROOTS": sum(phase.name != "preprocessed" for phase in shape.phases),
            "BUS_SUMS": len(shape.bus_tables),
            "OPENED_VALUES": self.tapes.opened_count,
            "LOG_FINAL_LENGTH": shape.log_final_length,
            "QUERIES": key.parameters.queries,
            "LOG_BLOWUP": key.parameters.log_blowup,
            "HEIGHTS": len(shape.input_heights),
            "PHASES": len(shape.phases),
            "FOLDS": len(shape.folds),
            "CONSTANTS": len(self.tapes.constants),
            "COMBINERS": self.tapes.combiner_count,
            "PERIODIC_GROUPS": len(self.tapes.periodic),
            "MESSAGES": messages.count if messages else 0,
            "MESSAGE_TAG": messages.tag if messages else 0,
            "MESSAGE_CHALLENGES": self.register_starts["challenge"] + self.tapes.bus_challenges,
            "TABLES": len(shape.tables),
        }

    def _transcript_state(self, preprocessed_root: bytes) -> bytes:
        """The transcript behind everything that the key fixes: the contract goes on from here."""
        transcript = KeccakTranscript()
        transcript.absorb_elements(Label.KEY, self.key.digest_limbs)
        transcript.absorb_elements(Label.PARAMETERS, self.key.parameters.elements())
        transcript.absorb_elements(Label.HEIGHTS, self.key.log_heights)
        if preprocessed_root:
            transcript.absorb_digest(Label.PREPROCESSED, preprocessed_root)
        return transcript.state

    def _rounds(self) -> bytes:
        shape = self.key.shape
        return b"".join(
            bytes(
                [
                    shape.challenge_count(round),
                    int(shape.phase(f"challenge round {round}") is not None),
                    int(round == shape.bus_round),
                ]
            )
            for round in range(1, shape.rounds + 1)
        )

    def _phase(self, index: int, phase: Phase) -> bytes:
        """Reason, root and number of segments, a byte each, then the segments.

        Level and height 1 each, columns and next columns 2 each; the columns' powers 2 each;
        column and power of the next columns 2 each.
        """
        shape, segments = self.key.shape, self.tapes.segments[index]
        has_preprocessed = shape.phase("preprocessed") is not None
        root = NO_ROOT if phase.name == "preprocessed" else index - int(has_preprocessed)
        content = bytes([REASON_NUMBERS[phase_reason(phase.name)], root, len(segments)])
        for segment in segments:
            level = segment.log_height + self.key.parameters.log_blowup
            content += bytes([level, shape.input_heights.index(segment.log_height)])
            content += _pairs([segment.columns, len(segment.next)])
            content += _pairs([column.power for column in segment.current])
            content += _pairs([n for column in segment.next for n in (column.column, column.power)])
        return content

    def _periodic(self) -> bytes:
        """For each group: log of the exponent, log of the period, columns 2; then coefficients, 4 bytes each."""
        content = b""
        for group in self.tapes.periodic:
            content += bytes([group.log_exponent, group.log_period]) + _pairs([len(group.coefficients)])
            for coefficients in group.coefficients:
                content += b"".join(value.to_bytes(4, "big") for value in coefficients)
        return content


def _pairs(numbers: Sequence[int]) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)
