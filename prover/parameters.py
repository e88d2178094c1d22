"""Parameters of a proof and the named presets.

The canonical encoding has one length and one form:

    bytes  0-31  name, ASCII, padded with zero bytes
    byte     32  log_blowup
    bytes 33-34  queries, big-endian
    bytes 35-36  log_fold_arity, log_final_length
    bytes 37-42  grinding: challenge_round, constraint, out_of_domain, batching, folding, query
    bytes 43-46  suite number, node_bytes, is_insecure, target_bits
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from prover.errors import ProofRefused, Reason


class SuiteName(StrEnum):
    """The hash suites that trees and transcript can be built on."""

    POSEIDON_20 = "poseidon16-20"
    """Poseidon of width 16 with 20 partial rounds: for layers that a proof verifies."""

    POSEIDON_36 = "poseidon16-36"
    """The same with 36 partial rounds: the margin to move to, should 20 become too few."""

    KECCAK = "keccak256"
    """Keccak-256: cheap for a contract and for a person's machine."""

    @property
    def number(self) -> int:
        """The suite's number in encodings, sponges and prefixes."""
        return SUITE_NUMBERS[self]

    @property
    def is_poseidon(self) -> bool:
        """Whether digests are eight field elements, not bytes."""
        return self is not SuiteName.KECCAK


SUITE_NUMBERS: Final[Mapping[SuiteName, int]] = MappingProxyType(
    {SuiteName.POSEIDON_20: 1, SuiteName.POSEIDON_36: 2, SuiteName.KECCAK: 3}
)
"""Append-only: a number once given is inside published roots."""

NAME_BYTES: Final = 32
"""Room for the longest preset's name."""

PARAMETERS_BYTES: Final = NAME_BYTES + 15
"""The one length of the canonical encoding."""

MOST_QUERIES: Final = 512
"""Above what 128 bits take at rate 1/2 by unique decoding, and a bound on the verifier's work."""

MOST_LOG_BLOWUP: Final = 6
"""A rate below 1/64 would leave fewer than 2^18 rows inside the field's two-adicity of 24."""

MOST_LOG_FOLD_ARITY: Final = 3
"""Beyond a fold by 8 the opened row, 16 extension elements, outweighs the path that it saves."""

MOST_LOG_FINAL_LENGTH: Final = 8
"""A final polynomial of more than 256 coefficients (5 KiB) costs more bytes than the fold that it saves."""

MOST_QUERY_GRINDING: Final = 26
"""Some seconds of one core at 50 ns a hash: for the terminal proof, whose every query costs gas."""

MOST_GRINDING: Final = 20
"""The other nonces are ground many times a proof, one for each fold, so each must stay below a second."""

MOST_POSEIDON_GRINDING: Final = 24
"""The low 24 bits of a canonical element other than p - 1 are exactly uniform; the next bit is not."""

NODE_BYTES: Final = (26, 32)
"""Whole digests, or 26 bytes (104 bits against collisions) where a contract pays for each byte."""

LEAST_SECURE_TARGET_BITS: Final = 100
"""Parameters that promise less must be marked insecure."""

MOST_TARGET_BITS: Final = 128
"""No digest of 256 bits resists collisions beyond this."""

_NAME_PATTERN: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Grinding:
    """Proof-of-work bits before each kind of challenge, in the order of the protocol."""

    challenge_round: int = 0
    """Before the challenges of each challenge round, the bus argument's among them."""

    constraint: int = 0
    """Before the challenge that combines the constraints."""

    out_of_domain: int = 0
    """Before the out-of-domain point."""

    batching: int = 0
    """Before the challenge that combines the opened columns."""

    folding: int = 0
    """Before the challenge of every fold."""

    query: int = 0
    """Before the query positions."""

    def __post_init__(self) -> None:
        for field in fields(self):
            most = MOST_QUERY_GRINDING if field.name == "query" else MOST_GRINDING
            _require_within(f"grinding.{field.name}", getattr(self, field.name), 0, most)


@dataclass(frozen=True, slots=True)
class StarkParameters:
    """Everything about a proof that its circuit does not fix.

    Soundness: the transcript absorbs the numbers before anything else.
    From them the verifier computes the bits of the very proof at hand.
    Otherwise a prover could weaken one of them and still be measured by another set.
    """

    name: str
    """A label for people: it is not absorbed, and nothing is decided by it."""

    log_blowup: int
    """log2 of the evaluation domain's size over the trace's: the rate is 2^-log_blowup."""

    queries: int
    """How many positions are opened."""

    log_fold_arity: int
    """log2 of the most that one fold divides the domain by; a fold is shorter where a height enters."""

    log_final_length: int
    """log2 of the most coefficients at which folding stops."""

    grinding: Grinding
    """Proof-of-work bits by kind of challenge."""

    suite: SuiteName
    """The hash of trees and transcript."""

    node_bytes: int
    """How many bytes of a Keccak digest a tree node keeps."""

    is_insecure: bool
    """Marks parameters for tests: every verifier refuses them unless told otherwise."""

    target_bits: int
    """What a verifier asks of the computed bits with these parameters; zero for insecure ones."""

    def __post_init__(self) -> None:
        if len(self.name) > NAME_BYTES or _NAME_PATTERN.fullmatch(self.name) is None:
            raise ValueError(
                f"name must be lower-case words joined by '-', at most {NAME_BYTES} characters, got {self.name!r}"
            )
        _require_within("log_blowup", self.log_blowup, 1, MOST_LOG_BLOWUP)
        _require_within("queries", self.queries, 1, MOST_QUERIES)
        _require_within("log_fold_arity", self.log_fold_arity, 1, MOST_LOG_FOLD_ARITY)
        _require_within("log_final_length", self.log_final_length, 0, MOST_LOG_FINAL_LENGTH)
        if not isinstance(self.suite, SuiteName):
            raise ValueError(f"suite must be a SuiteName, got {self.suite!r}")
        if self.node_bytes not in NODE_BYTES:
            raise ValueError(f"node_bytes must be one of {NODE_BYTES}, got {self.node_bytes}")
        if not isinstance(self.is_insecure, bool):
            raise ValueError(f"is_insecure must be a bool, got {self.is_insecure!r}")
        if self.suite.is_poseidon:
            if self.node_bytes != max(NODE_BYTES):
                raise ValueError(f"node_bytes must be 32 for {self.suite}: its digests are not cut")
            # Soundness: a nonce is checked on the low bits of one element.
            # Beyond these bits it would count work that an attacker does not have to do.
            _require_within("grinding.query of Poseidon", self.grinding.query, 0, MOST_POSEIDON_GRINDING)
        if self.is_insecure:
            _require_within("target_bits of insecure parameters", self.target_bits, 0, 0)
        else:
            _require_within("target_bits", self.target_bits, LEAST_SECURE_TARGET_BITS, MOST_TARGET_BITS)

    def elements(self) -> list[int]:
        """The numbers as small integers, for the transcript: all but the name."""
        return [
            self.log_blowup,
            self.queries,
            self.log_fold_arity,
            self.log_final_length,
            *astuple(self.grinding),
            self.suite.number,
            self.node_bytes,
            int(self.is_insecure),
            self.target_bits,
        ]

    def to_bytes(self) -> bytes:
        """The canonical encoding listed at the head of this file."""
        log_blowup, queries, *others = self.elements()
        name = self.name.encode("ascii").ljust(NAME_BYTES, b"\0")
        return name + bytes([log_blowup]) + queries.to_bytes(2, "big") + bytes(others)

    @classmethod
    def from_bytes(cls, encoding: bytes) -> StarkParameters:
        """Read the canonical encoding, or refuse.

        Soundness: a preset's name stands for the preset's numbers alone.
        Otherwise a report could show a trusted name above numbers that its reader never agreed to.
        """
        if len(encoding) != PARAMETERS_BYTES:
            reason = Reason.TRUNCATED if len(encoding) < PARAMETERS_BYTES else Reason.TRAILING_BYTES
            raise ProofRefused(reason, f"parameters take {PARAMETERS_BYTES} bytes, got {len(encoding)}")
        try:
            parameters = cls._parse(encoding)
        except ValueError as error:
            raise ProofRefused(Reason.MALFORMED_PARAMETERS, str(error)) from error
        if PRESETS.get(parameters.name, parameters) != parameters:
            raise ProofRefused(
                Reason.MALFORMED_PARAMETERS, f"the numbers are not those of the preset {parameters.name!r}"
            )
        return parameters

    @classmethod
    def _parse(cls, encoding: bytes) -> StarkParameters:
        name, numbers = encoding[:NAME_BYTES], encoding[NAME_BYTES:]
        suites = {number: suite for suite, number in SUITE_NUMBERS.items()}
        suite_number, node_bytes, is_insecure, target_bits = numbers[11:]
        if suite_number not in suites:
            raise ValueError(f"suite number must be one of {sorted(suites)}, got {suite_number}")
        if is_insecure not in {0, 1}:
            raise ValueError(f"is_insecure must be 0 or 1, got {is_insecure}")
        return cls(
            # Only padding is stripped: a zero byte inside the name stays and fails the name's pattern.
            name=name.rstrip(b"\0").decode("ascii"),
            log_blowup=numbers[0],
            queries=int.from_bytes(numbers[1:3], "big"),
            log_fold_arity=numbers[3],
            log_final_length=numbers[4],
            grinding=Grinding(*numbers[5:11]),
            suite=suites[suite_number],
            node_bytes=node_bytes,
            is_insecure=bool(is_insecure),
            target_bits=target_bits,
        )


def _require_within(what: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{what} must be an integer from {least} to {most}, got {value!r}")


LAYER_TARGET_BITS: Final = 103
"""What one layer of a chain must reach, so that four layers, their rounds summed, still have 100 bits."""

_LAYER_GRINDING: Final = Grinding(16, 16, 16, 20, 16, 20)
"""Below a second of one core for a whole proof, with either hash.

Batching all columns by powers of one challenge is the weakest round but the query's: four bits more save a query."""

_WIDE_GRINDING: Final = Grinding(16, 16, 16, 16, 16, 20)
"""At 128 bits unique decoding proves more than Johnson for many columns, and leaves batching strong."""

_TERMINAL_GRINDING: Final = Grinding(16, 16, 16, 16, 16, 26)
"""Each query costs a contract calldata, paths and folds, so the most work is spent to save queries."""


def _test(name: str, suite: SuiteName) -> StarkParameters:
    return StarkParameters(name, 2, 8, 2, 2, Grinding(), suite, 32, True, 0)


def _layer(name: str, suite: SuiteName, log_blowup: int, queries: int) -> StarkParameters:
    grinding = _LAYER_GRINDING
    return StarkParameters(name, log_blowup, queries, 3, 5, grinding, suite, 32, False, LAYER_TARGET_BITS)


def _wide(name: str, log_blowup: int, queries: int) -> StarkParameters:
    return StarkParameters(name, log_blowup, queries, 3, 5, _WIDE_GRINDING, SuiteName.KECCAK, 32, False, 128)


def _terminal(name: str) -> StarkParameters:
    grinding = _TERMINAL_GRINDING
    return StarkParameters(name, 6, 26, 3, 6, grinding, SuiteName.KECCAK, 26, False, LAYER_TARGET_BITS)


DEFAULT_KECCAK: Final = "keccak-100-rate-4"
"""Rate 1/4: half the queries of rate 1/2 for twice the hashing."""

DEFAULT_POSEIDON: Final = "poseidon-100-rate-4"
"""The same rate: each query saved is a path of hashes saved in the step that verifies the proof."""

PRESETS: Final[Mapping[str, StarkParameters]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            _test("test-keccak", SuiteName.KECCAK),
            _test("test-poseidon", SuiteName.POSEIDON_20),
            _test("test-poseidon-36", SuiteName.POSEIDON_36),
            _layer("keccak-100-rate-2", SuiteName.KECCAK, 1, 170),
            _layer("keccak-100-rate-4", SuiteName.KECCAK, 2, 85),
            _layer("keccak-100-rate-8", SuiteName.KECCAK, 3, 57),
            _layer("keccak-100-rate-16", SuiteName.KECCAK, 4, 43),
            _layer("poseidon-100-rate-2", SuiteName.POSEIDON_20, 1, 170),
            _layer("poseidon-100-rate-4", SuiteName.POSEIDON_20, 2, 85),
            _layer("poseidon-100-rate-8", SuiteName.POSEIDON_20, 3, 58),
            _layer("poseidon-100-rate-16", SuiteName.POSEIDON_20, 4, 43),
            _wide("keccak-128-rate-2", 1, 261),
            _wide("keccak-128-rate-4", 2, 160),
            _wide("keccak-128-rate-8", 3, 131),
            _wide("keccak-128-rate-16", 4, 119),
            _terminal("terminal"),
        )
    }
)
"""The named parameters; docs/soundness.md prints what each reaches."""
