"""Poseidon's permutation as generated Solidity: constants in the code, several elements to a word of 256 bits.

A full round keeps the state in four words: word b holds elements b, 4 + b, 8 + b and 12 + b in lanes of 64 bits.
Modulo 2^256 - 1 a product of two such words is the cyclic convolution of their lanes, and the linear layer is a cyclic
convolution of length 16: so it takes sixteen `mulmod`, and no carry ever leaves a lane.
The partial rounds are one linear map, from the sixteen cubes before them and their own cubes to the inputs of those
cubes and to the state behind them: three rows of it lie in the lanes of a word (85 bits), one product for each column.
Nothing is reduced but cubes: the sums before them are short enough to be cubed as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from prover.field.koalabear import PRIME
from prover.hash.poseidon_parameters import WIDTH, PoseidonParameters
from prover.hash.poseidon_unrolled import circulant_matrix, multiply_matrices

COMPILER: Final = "0.8.37"

WORDS: Final = 4
"""Words of a state in a full round, and lanes of each."""

LANE_BITS: Final = 64

ROWS_IN_A_WORD: Final = 3

ROW_BITS: Final = 85

SCRATCH: Final = 0x80
"""Where the cubes are kept: the library reserves the memory before it writes there."""

BLOCK: Final = "if gas() {"
"""Begins a block that always runs, but the compiler cannot know: it would else keep every cube that it sees stored, and
the stack does not reach that deep."""

Row = tuple[int, ...]


def follow_partial_rounds(parameters: PoseidonParameters) -> list[Row]:
    """Inputs of the partial rounds' cubes, then the state behind them with the next round's constants.

    Each is a row of weights: for the sixteen cubes of the full round before, for the partial rounds' cubes, for one.
    """
    count, first = parameters.partial_rounds, parameters.first_partial_round
    length = WIDTH + count + 1
    mds = circulant_matrix(parameters.mds_first_row)
    identity = [[int(place == index) for place in range(length)] for index in range(WIDTH)]
    state = [list(row) for row in multiply_matrices(mds, identity)]
    inputs = []
    for number in range(count + 1):
        for row, constant in zip(state, parameters.round_constants[first + number], strict=True):
            row[-1] = (row[-1] + constant) % PRIME
        if number == count:
            break
        inputs.append(tuple(state[0]))
        state[0] = [int(place == WIDTH + number) for place in range(length)]
        state = [list(row) for row in multiply_matrices(mds, state)]
    return [*inputs, *(tuple(row) for row in state)]


def _packed(values: Sequence[int], bits: int) -> str:
    """Lanes joined to one number, the first one lowest."""
    return hex(sum(value << bits * place for place, value in enumerate(values)))


def _cube(value: str) -> str:
    return f"mod(mul(mul({value}, {value}), {value}), {hex(PRIME)})"


def _lane(word: str, place: int, bits: int, count: int) -> str:
    """One lane of a word; the highest needs no mask."""
    shifted = f"shr({bits * place}, {word})" if place else word
    return shifted if place == count - 1 else f"and({shifted}, {hex((1 << bits) - 1)})"


def _full_round() -> Iterator[str]:
    """Cube all elements and multiply by the matrix; whoever calls it has added the constants."""
    yield "function fullRound(a0, a1, a2, a3) -> b0, b1, b2, b3 {"
    for word in range(WORDS):
        yield f"    a{word} := cubes(a{word})"
    yield "    b0, b1, b2, b3 := mixed(a0, a1, a2, a3)"
    yield "}"
    yield "function cubes(word) -> cubed {"
    for place in range(WORDS):
        yield "    {"
        yield f"        let x := {_lane('word', place, LANE_BITS, WORDS)}"
        yield f"        {_gathered('cubed', place, _cube('x'))}"
        yield "    }"
    yield "}"


def _gathered(word: str, place: int, value: str) -> str:
    return f"{word} := or({word}, shl({LANE_BITS * place}, {value}))" if place else f"{word} := {value}"


def _factors(parameters: PoseidonParameters) -> list[str]:
    """The words by which the linear layer multiplies, by how far the target lies behind the source, from -3 to 3.

    With X^4 = Y, word b of the state is the coefficient of X^b, a polynomial in Y modulo Y^4 - 1: lane k of a factor
    multiplies Y^k, so it is the matrix entry for a distance of 4 k more.
    """
    first_row = parameters.mds_first_row
    return [
        _packed([first_row[-(WORDS * place + distance) % WIDTH] for place in range(WORDS)], LANE_BITS)
        for distance in range(1 - WORDS, WORDS)
    ]


def _linear_layer(parameters: PoseidonParameters) -> Iterator[str]:
    """The circulant matrix as a cyclic convolution cut into words."""
    first = SCRATCH + 32 * (WIDTH + parameters.partial_rounds)
    yield "function mixed(a0, a1, a2, a3) -> b0, b1, b2, b3 {"
    for target in range(WORDS):
        terms = [
            f"mulmod(a{source}, mload({hex(first + 32 * (target - source + WORDS - 1))}), not(0))"
            for source in range(WORDS)
        ]
        yield f"    b{target} := add(add({terms[0]}, {terms[1]}), add({terms[2]}, {terms[3]}))"
    yield "}"


def _first_round(constants: Sequence[int]) -> Iterator[str]:
    """Take the elements out of the two arguments, add constants, cube."""
    for word in range(WORDS):
        for place in range(WORDS):
            element = WORDS * place + word
            argument = "left" if element < WIDTH // 2 else "right"
            taken = _lane(argument, element % 8, 32, 8)
            yield f"{{ let x := add({taken}, {hex(constants[element])})"
            yield f"  {_gathered(f'c{word}', place, _cube('x'))} }}"


def _constant_words(constants: Sequence[int]) -> list[str]:
    return [_packed(constants[word::WORDS], LANE_BITS) for word in range(WORDS)]


def _with_constants(names: str, constants: Sequence[int]) -> str:
    words = _constant_words(constants)
    return ", ".join(f"add({names}{word}, {words[word]})" for word in range(WORDS))


def _partial_rounds(parameters: PoseidonParameters) -> Iterator[str]:
    """Row by row; an input of a cube reads only cubes before it."""
    rows = follow_partial_rounds(parameters)
    inputs = parameters.partial_rounds
    known = WIDTH
    for start in range(0, len(rows), ROWS_IN_A_WORD):
        of_word = rows[start : start + ROWS_IN_A_WORD]
        yield f"{BLOCK} let sum := {_packed([row[-1] for row in of_word], ROW_BITS)}"
        for column in range(known):
            yield _term(column, of_word)
        for place in range(len(of_word)):
            taken = _lane("sum", place, ROW_BITS, ROWS_IN_A_WORD)
            if start + place < inputs:
                yield f"{{ let x := {taken}"
                yield f"  mstore({hex(SCRATCH + 32 * known)}, {_cube('x')}) }}"
                known += 1
                if any(row[known - 1] for row in of_word):
                    yield _term(known - 1, of_word)
            else:
                element = start + place - inputs
                word, lane = element % WORDS, element // WORDS
                yield f"{{ let x := {taken}"
                yield f"  {_gathered(f'c{word}', lane, _cube('x'))} }}"
        yield "}"


def _term(column: int, rows: Sequence[Row]) -> str:
    weights = _packed([row[column] for row in rows], ROW_BITS)
    return f"sum := add(sum, mul(mload({hex(SCRATCH + 32 * column)}), {weights}))"


def _statements(parameters: PoseidonParameters) -> Iterator[str]:
    """The whole permutation."""
    constants = parameters.round_constants
    first, last = parameters.first_partial_round, parameters.first_partial_round + parameters.partial_rounds
    yield "let c0, c1, c2, c3"
    yield from _first_round(constants[0])
    yield "let m0, m1, m2, m3 := mixed(c0, c1, c2, c3)"
    for number in range(1, first - 1):
        yield f"m0, m1, m2, m3 := fullRound({_with_constants('m', constants[number])})"
    for word, constant in enumerate(_constant_words(constants[first - 1])):
        yield f"{BLOCK} m{word} := add(m{word}, {constant})"
        for place in range(WORDS):
            yield f"{{ let x := {_lane(f'm{word}', place, LANE_BITS, WORDS)}"
            yield f"  mstore({hex(SCRATCH + 32 * (WORDS * place + word))}, {_cube('x')}) }}"
        yield "}"
    yield from _partial_rounds(parameters)
    yield "m0, m1, m2, m3 := mixed(c0, c1, c2, c3)"
    for number in range(last + 1, parameters.rounds):
        yield f"m0, m1, m2, m3 := fullRound({_with_constants('m', constants[number])})"
    for half, name in enumerate(("outLeft", "outRight")):
        for element in range(8):
            word, place = element % WORDS, element // WORDS + 2 * half
            reduced = f"mod({_lane(f'm{word}', place, LANE_BITS, WORDS)}, {hex(PRIME)})"
            yield f"{name} := {f'or({name}, shl({32 * element}, {reduced}))' if element else reduced}"


def write_permutation(parameters: PoseidonParameters) -> str:
    """The text of the generated file."""
    lines = (*_statements(parameters), *_full_round(), *_linear_layer(parameters))
    body = "\n".join(f"            {line}" for line in lines)
    factors = _factors(parameters)
    cubes = WIDTH + parameters.partial_rounds
    first = SCRATCH + 32 * cubes
    kept = "\n".join(
        f"            mstore({hex(first + 32 * place)}, {factor})" for place, factor in enumerate(factors)
    )
    return f"""// SPDX-License-Identifier: Apache-2.0
pragma solidity {COMPILER};

/// Poseidon's permutation: suite {int(parameters.suite)}, width 16 over KoalaBear, cubes, {parameters.full_rounds} full
/// and {parameters.partial_rounds} partial rounds.
/// Generated by prover/export/poseidon_solidity.py, which explains it; do not edit.
library PoseidonPermutation {{
    error MemoryInUse();

    /// Reserve the memory in which cubes and the matrix are kept.
    /// @dev Must be called before anything else allocates: the addresses are in the code.
    function reserve() internal pure {{
        uint256 place;
        assembly {{
            place := mload(0x40)
            mstore(0x40, {hex(first + 32 * len(factors))})
{kept}
        }}
        require(place == {hex(SCRATCH)}, MemoryInUse());
    }}

    /// Permute two words of eight elements each, 32 bits an element, the first one lowest.
    /// Elements may be a little above the prime, by a level or by one more prime; the outputs are canonical.
    function permute(uint256 left, uint256 right) internal view returns (uint256 outLeft, uint256 outRight) {{
        assembly {{
{body}
        }}
    }}
}}
"""
