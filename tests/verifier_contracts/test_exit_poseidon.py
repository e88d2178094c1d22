"""Poseidon on Ethereum hashes as the rules do: known answers, random inputs, and one spelling for each."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from prover.export.poseidon_solidity import follow_partial_rounds, write_permutation
from prover.field.koalabear import PRIME
from prover.hash.domain import HashKind
from prover.hash.poseidon import POSEIDON16_20, POSEIDON16_36, WIDTH, compress, permute, sponge
from rollup.binding import packed
from tests.verifier_contracts.exit_bench import ContractRefusedError, Engine, Placed, address_of
from verifier_contracts.artifact import SOURCES
from verifier_contracts.generate import main

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "poseidon_koalabear_16.json"
CALLER = address_of(1)
EXTREMES = [[0] * WIDTH, [1] * WIDTH, [PRIME - 1] * WIDTH, [*[0] * 15, PRIME - 1], list(range(WIDTH))]


@pytest.fixture(scope="module")
def chain() -> tuple[Engine, Placed]:
    engine = Engine()
    return engine, engine.deploy("PoseidonTree", caller=CALLER)


def unpacked(word: int) -> tuple[int, ...]:
    return tuple(word >> 32 * place & 0xFFFFFFFF for place in range(8))


def blocks(elements: list[int]) -> list[int]:
    starts = range(0, max(len(elements), 1), 8)
    return [packed(tuple(elements[start : start + 8])) for start in starts]


def first_half(chain: tuple[Engine, Placed], state: list[int]) -> tuple[int, ...]:
    """The first eight outputs of the bare permutation: a node of level zero, with what it adds taken off again."""
    engine, tree = chain
    right = [*state[8:15], (state[15] - 1) % PRIME]
    node = engine.send(tree, "climb", packed(tuple(state[:8])), 0, [packed(tuple(right))], caller=CALLER)
    return tuple((out - before) % PRIME for out, before in zip(unpacked(node), state[:8], strict=True))


def test_the_generated_source_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, "run `python -m verifier_contracts.generate`"
    assert capsys.readouterr().out == ""
    committed = (SOURCES / "PoseidonPermutation.sol").read_text(encoding="utf-8")
    assert committed == write_permutation(POSEIDON16_20) != write_permutation(POSEIDON16_36)


def test_a_stale_source_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "PoseidonPermutation.sol"
    page.write_text("old", encoding="utf-8")
    monkeypatch.setattr("verifier_contracts.generate.PERMUTATION", page)
    assert (main(["--check"]), page.read_text(encoding="utf-8")) == (1, "old")
    assert (main([]), page.read_text(encoding="utf-8")) == (0, write_permutation(POSEIDON16_20))
    assert capsys.readouterr().out == "PoseidonPermutation.sol\n" * 2


def test_the_partial_rounds_are_followed_as_they_are_defined() -> None:
    """Inputs and outputs of the partial rounds, out of the cubes before them, by the definition and by the rows."""
    noise = random.Random(5)
    cubes = [noise.randrange(PRIME) for _ in range(WIDTH)]
    rows = follow_partial_rounds(POSEIDON16_20)
    known = [*cubes]
    for row in rows[:20]:
        value = sum(weight * cube for weight, cube in zip(row, known, strict=False)) + row[-1]
        assert not any(row[len(known) : -1]), "an input reads a cube that comes later"
        known.append(pow(value, 3, PRIME))
    followed = [
        (sum(weight * cube for weight, cube in zip(row, known, strict=False)) + row[-1]) % PRIME
        for row in rows[20:]
    ]
    first_row, constants = POSEIDON16_20.mds_first_row, POSEIDON16_20.round_constants
    state = cubes
    for number in range(4, 25):
        state = [
            (sum(first_row[(column - row) % WIDTH] * state[column] for column in range(WIDTH)) + constant)
            % PRIME
            for row, constant in zip(range(WIDTH), constants[number], strict=True)
        ]
        if number < 24:
            state[0] = pow(state[0], 3, PRIME)
    assert followed == state


def test_known_answers(chain: tuple[Engine, Placed]) -> None:
    for vector in json.loads(VECTORS.read_text(encoding="utf-8"))["known_answers"]:
        assert first_half(chain, vector["input"]) == tuple(vector["output"][:8])


def test_permutations_are_those_of_the_definition(chain: tuple[Engine, Placed]) -> None:
    noise = random.Random(1)
    states = [*EXTREMES, *([noise.randrange(PRIME) for _ in range(WIDTH)] for _ in range(40))]
    for state in states:
        assert first_half(chain, state) == permute(state, POSEIDON16_20)[:8]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 16, 24, 27, 28, 96])
def test_sponges_are_those_of_the_rules(chain: tuple[Engine, Placed], count: int) -> None:
    """Lists of several blocks carry the second half of the state too."""
    engine, tree = chain
    noise = random.Random(count)
    for kind in (HashKind.STATE_LEAF, HashKind.ACCOUNT_POSITIONS):
        elements = [noise.choice([0, PRIME - 1, noise.randrange(PRIME)]) for _ in range(count)]
        digest = engine.send(tree, "sponge", kind, 0x106, count, blocks(elements), caller=CALLER)
        assert digest == packed(sponge(POSEIDON16_20, kind, elements, 0x106))


def test_paths_lead_where_the_rules_say(chain: tuple[Engine, Placed]) -> None:
    engine, tree = chain
    noise = random.Random(2)
    siblings = [tuple(noise.randrange(PRIME) for _ in range(8)) for _ in range(34)]
    siblings[3:9] = [(PRIME - 1,) * 8] * 6
    index = noise.randrange(1 << 34)
    digest = tuple(noise.randrange(PRIME) for _ in range(8))
    words = [packed(sibling) for sibling in siblings]
    root = engine.send(tree, "climb", packed(digest), index, words, caller=CALLER)
    for height, sibling in enumerate(siblings):
        pair = (sibling, digest) if index >> height & 1 else (digest, sibling)
        digest = compress(*pair, 33 - height, POSEIDON16_20)
    assert root == packed(digest)


def test_there_is_one_spelling_for_each_element(chain: tuple[Engine, Placed]) -> None:
    engine, tree = chain
    for place in range(8):
        for value in (PRIME, PRIME + 1, 1 << 31, (1 << 32) - 1):
            word = value << 32 * place
            calls = (
                ("sponge", (10, 0, 8, [word])),
                ("climb", (word, 0, [0])),
                ("climb", (0, 0, [word])),
            )
            for name, arguments in calls:
                refusal = engine.refusal(tree, name, *arguments, caller=CALLER)
                assert refusal == f"NotCanonical({word})"


def test_blocks_match_the_count_of_elements(chain: tuple[Engine, Placed]) -> None:
    engine, tree = chain
    for count, words in ((0, []), (0, [1]), (1, []), (1, [1 << 32]), (7, [1 << 224]), (8, [0, 0]), (9, [0])):
        refusal = engine.refusal(tree, "sponge", 10, 0, count, words, caller=CALLER)
        assert refusal == f"BlocksMismatch({len(words)}, {count})"
    with pytest.raises(ContractRefusedError):
        engine.send(tree, "sponge", 10, 0, 9, [0, 1 << 32], caller=CALLER)


def test_a_permutation_costs_what_the_documentation_says(chain: tuple[Engine, Placed]) -> None:
    engine, tree = chain
    engine.send(tree, "climb", 5, 0, [7] * 34, caller=CALLER)
    deep = engine.gas
    engine.send(tree, "climb", 5, 0, [7] * 33, caller=CALLER)
    assert 18_000 < deep - engine.gas < 25_000
