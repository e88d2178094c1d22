"""Parameters: their limits, their one encoding, the presets, and how a refusal reads."""

from __future__ import annotations

import pickle
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prover.errors import ProofRefused, Reason
from prover.parameters import (
    DEFAULT_KECCAK,
    DEFAULT_POSEIDON,
    PARAMETERS_BYTES,
    PRESETS,
    SUITE_NUMBERS,
    Grinding,
    StarkParameters,
    SuiteName,
)

KECCAK = PRESETS[DEFAULT_KECCAK]
POSEIDON = PRESETS[DEFAULT_POSEIDON]


def refusal(encoding: bytes) -> ProofRefused:
    with pytest.raises(ProofRefused) as caught:
        StarkParameters.from_bytes(encoding)
    return caught.value


def with_byte(encoding: bytes, position: int, value: int) -> bytes:
    return encoding[:position] + bytes([value]) + encoding[position + 1 :]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_a_preset_survives_its_encoding(preset: StarkParameters) -> None:
    encoding = preset.to_bytes()
    assert len(encoding) == PARAMETERS_BYTES
    assert StarkParameters.from_bytes(encoding) == preset


@pytest.mark.parametrize(("name", "preset"), PRESETS.items(), ids=PRESETS.keys())
def test_a_preset_is_filed_under_its_own_name(name: str, preset: StarkParameters) -> None:
    assert preset.name == name
    assert preset.is_insecure == name.startswith("test-")


def test_the_encoding_is_laid_out_as_documented() -> None:
    assert PRESETS["terminal"].to_bytes() == (
        b"terminal" + bytes(24) + bytes([6, 0, 26, 3, 6, 16, 16, 16, 16, 16, 26, 3, 26, 0, 103])
    )
    assert PRESETS["keccak-128-rate-2"].to_bytes()[33:35] == (261).to_bytes(2, "big")


def test_the_elements_are_the_numbers_in_the_order_of_the_encoding() -> None:
    assert POSEIDON.elements() == [2, 85, 3, 5, 16, 16, 16, 20, 16, 20, 1, 32, 0, 103]


def test_the_name_is_not_among_the_elements() -> None:
    assert replace(KECCAK, name="another").elements() == KECCAK.elements()


@given(
    log_blowup=st.integers(1, 6),
    queries=st.integers(1, 512),
    log_fold_arity=st.integers(1, 3),
    log_final_length=st.integers(0, 8),
    bits=st.tuples(*[st.integers(0, 20)] * 5),
    query_bits=st.integers(0, 24),
    suite=st.sampled_from(SuiteName),
    target_bits=st.integers(99, 128),
)
def test_any_valid_parameters_survive_their_encoding(
    log_blowup: int,
    queries: int,
    log_fold_arity: int,
    log_final_length: int,
    bits: tuple[int, int, int, int, int],
    query_bits: int,
    suite: SuiteName,
    target_bits: int,
) -> None:
    parameters = StarkParameters(
        name="of-one-test",
        log_blowup=log_blowup,
        queries=queries,
        log_fold_arity=log_fold_arity,
        log_final_length=log_final_length,
        grinding=Grinding(*bits, query_bits),
        suite=suite,
        node_bytes=32,
        is_insecure=target_bits == 99,
        target_bits=0 if target_bits == 99 else target_bits,
    )
    assert StarkParameters.from_bytes(parameters.to_bytes()) == parameters


@given(position=st.integers(0, PARAMETERS_BYTES - 1), value=st.integers(0, 255))
def test_no_second_encoding_reads_as_the_same_parameters(position: int, value: int) -> None:
    encoding = replace(KECCAK, name="of-one-test").to_bytes()
    changed = with_byte(encoding, position, value)
    try:
        read = StarkParameters.from_bytes(changed)
    except ProofRefused:
        return
    assert read.to_bytes() == changed


def test_an_encoding_of_another_length_is_refused() -> None:
    encoding = KECCAK.to_bytes()
    short = refusal(encoding[:-1])
    assert (short.reason, short.detail) == (Reason.TRUNCATED, "parameters take 47 bytes, got 46")
    long = refusal(encoding + b"\0")
    assert (long.reason, long.detail) == (Reason.TRAILING_BYTES, "parameters take 47 bytes, got 48")


@pytest.mark.parametrize(
    ("position", "value", "detail"),
    [
        (0, 0xFF, "'ascii' codec can't decode byte 0xff in position 0: ordinal not in range(128)"),
        (32, 7, "log_blowup must be an integer from 1 to 6, got 7"),
        (33, 2, "queries must be an integer from 1 to 512, got 597"),
        (42, 27, "grinding.query must be an integer from 0 to 26, got 27"),
        (43, 4, "suite number must be one of [1, 2, 3], got 4"),
        (45, 2, "is_insecure must be 0 or 1, got 2"),
        (45, 1, "target_bits of insecure parameters must be an integer from 0 to 0, got 103"),
        (34, 84, "the numbers are not those of the preset 'keccak-100-rate-4'"),
    ],
)
def test_a_malformed_encoding_is_refused_with_what_is_wrong(position: int, value: int, detail: str) -> None:
    refused = refusal(with_byte(KECCAK.to_bytes(), position, value))
    assert (refused.reason, refused.detail) == (Reason.MALFORMED_PARAMETERS, detail)


def test_a_zero_byte_inside_the_name_is_refused() -> None:
    refused = refusal(with_byte(KECCAK.to_bytes(), 3, 0))
    assert refused.reason is Reason.MALFORMED_PARAMETERS
    assert refused.detail.startswith("name must be lower-case words joined by '-', at most 32 characters")


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "Upper", "a_b", "a b", "é", "a" * 33])
def test_a_name_that_is_not_lower_case_words_is_refused(name: str) -> None:
    message = f"name must be lower-case words joined by '-', at most 32 characters, got {name!r}"
    with pytest.raises(ValueError, match=r"^name must be") as caught:
        replace(KECCAK, name=name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_blowup": 0}, "log_blowup must be an integer from 1 to 6, got 0"),
        ({"log_blowup": True}, "log_blowup must be an integer from 1 to 6, got True"),
        ({"queries": 0}, "queries must be an integer from 1 to 512, got 0"),
        ({"queries": 513}, "queries must be an integer from 1 to 512, got 513"),
        ({"queries": 84.0}, "queries must be an integer from 1 to 512, got 84.0"),
        ({"log_fold_arity": 0}, "log_fold_arity must be an integer from 1 to 3, got 0"),
        ({"log_fold_arity": 4}, "log_fold_arity must be an integer from 1 to 3, got 4"),
        ({"log_final_length": 9}, "log_final_length must be an integer from 0 to 8, got 9"),
        ({"suite": "keccak256"}, "suite must be a SuiteName, got 'keccak256'"),
        ({"node_bytes": 20}, "node_bytes must be one of (26, 32), got 20"),
        ({"is_insecure": 0}, "is_insecure must be a bool, got 0"),
        ({"target_bits": 99}, "target_bits must be an integer from 100 to 128, got 99"),
        ({"target_bits": 129}, "target_bits must be an integer from 100 to 128, got 129"),
        (
            {"is_insecure": True},
            "target_bits of insecure parameters must be an integer from 0 to 0, got 103",
        ),
        (
            {"suite": SuiteName.POSEIDON_36, "node_bytes": 26},
            "node_bytes must be 32 for poseidon16-36: its digests are not cut",
        ),
        (
            {"suite": SuiteName.POSEIDON_20, "grinding": Grinding(query=25)},
            "grinding.query of Poseidon must be an integer from 0 to 24, got 25",
        ),
    ],
)
def test_a_number_outside_its_limits_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=r" must be ") as caught:
        replace(KECCAK, **changes)  # type: ignore[arg-type]  # the point is to pass what does not fit
    assert str(caught.value) == message


@pytest.mark.parametrize("name", [field.name for field in fields(Grinding)])
def test_every_grinding_has_its_limit(name: str) -> None:
    most = 26 if name == "query" else 20
    assert getattr(Grinding(**{name: most}), name) == most
    for bits in (-1, most + 1):
        with pytest.raises(ValueError, match=r"^grinding\.") as caught:
            Grinding(**{name: bits})
        assert str(caught.value) == f"grinding.{name} must be an integer from 0 to {most}, got {bits}"


def test_the_presets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        PRESETS["test-keccak"] = KECCAK  # type: ignore[index]  # the point is that it cannot be assigned


def test_suites_have_their_published_numbers() -> None:
    assert {suite.value: suite.number for suite in SuiteName} == {
        "poseidon16-20": 1,
        "poseidon16-36": 2,
        "keccak256": 3,
    }
    assert set(SUITE_NUMBERS) == set(SuiteName)
    assert [suite.is_poseidon for suite in SuiteName] == [True, True, False]


def test_a_refusal_is_one_line_with_its_reason() -> None:
    refused = ProofRefused(Reason.WRONG_KEY, "expected ab,\n  got cd")
    assert str(refused) == "proof refused, wrong key: expected ab, got cd"
    assert (refused.reason, refused.detail) == (Reason.WRONG_KEY, "expected ab, got cd")


def test_a_refusal_passes_between_processes() -> None:
    refused = pickle.loads(pickle.dumps(ProofRefused(Reason.SHAPE, "two roots")))  # noqa: S301 - our own bytes
    assert (type(refused), refused.reason, str(refused)) == (
        ProofRefused,
        Reason.SHAPE,
        "proof refused, shape: two roots",
    )


def test_a_reason_is_spelled_like_its_name() -> None:
    assert {reason.name.lower() for reason in Reason} == {reason.value for reason in Reason}
