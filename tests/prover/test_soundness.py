"""The bits of a proof: against the quoted formulas, against the published table, and their monotonicity."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prover.parameters import (
    DEFAULT_KECCAK,
    DEFAULT_POSEIDON,
    LAYER_TARGET_BITS,
    PRESETS,
    Grinding,
    StarkParameters,
)
from prover.soundness import (
    SecurityShape,
    SoundnessReport,
    best_multiplicity,
    chained_bits,
    johnson_report,
    preset_table,
    reference_shape,
    round_table,
    soundness,
    unique_decoding_report,
)
from prover.soundness.bounds import CHALLENGE_FIELD_SIZE, Johnson, bits_of, square_root_bounds
from prover.soundness.reference import REFERENCE_LOG_HEIGHTS, rounded_down
from prover.soundness.shape import TWO_ADICITY

FIELD_BITS = 5 * math.log2(2**31 - 2**24 + 1)
DOCUMENT = Path(__file__).parents[2] / "docs" / "soundness.md"
SECURE = {name: preset for name, preset in PRESETS.items() if not preset.is_insecure}
INSECURE = {name: preset for name, preset in PRESETS.items() if preset.is_insecure}


def heights_of(preset: StarkParameters) -> list[int]:
    return [height for height in REFERENCE_LOG_HEIGHTS if height + preset.log_blowup <= TWO_ADICITY]


def one_table(parameters: StarkParameters, log_height: int, batched_columns: int) -> SecurityShape:
    """One table of degree three with 100 constraints, folded as far as the parameters say."""
    rest = log_height - parameters.log_final_length
    whole, last = divmod(rest, parameters.log_fold_arity)
    return SecurityShape(
        parameters=parameters,
        log_heights=(log_height,),
        fold_log_arities=(parameters.log_fold_arity,) * whole + ((last,) if last else ()),
        constraints=100,
        max_constraint_degree=3,
        batched_columns=batched_columns,
        interactions=20 << log_height,
        max_message_length=6,
    )


def published(log_blowup: int, queries: int, query_grinding: int, node_bytes: int = 32) -> StarkParameters:
    """Parameters of a row of the published table."""
    return replace(
        PRESETS[DEFAULT_KECCAK],
        name="of-one-test",
        log_blowup=log_blowup,
        queries=queries,
        grinding=Grinding(16, 16, 16, 16, 16, query_grinding),
        node_bytes=node_bytes,
    )


def bits(report: SoundnessReport, name: str) -> float:
    (entry,) = [entry for entry in report.rounds if entry.name == name]
    return entry.bits_without_grinding


# ------------------------------------------------------------------ the quoted formulas, in floating point


def quoted_theta(log_blowup: int, m: int, gap_divisor: int) -> float:
    """1 - sqrt(rho) - eta with eta = sqrt(rho) / (gap_divisor * m): 2 in Theorem 1.5, 1 in Theorem 4.2."""
    return 1 - 2 ** (-log_blowup / 2) * (1 + 1 / (gap_divisor * m))


def quoted_line_bits(log_height: int, log_blowup: int, m: int, theta: float) -> float:
    rho, n, shifted = 2.0**-log_blowup, 2.0 ** (log_height + log_blowup), m + 0.5
    count = (2 * shifted**5 + 3 * shifted * theta * rho) * n / (3 * rho**1.5) + shifted / math.sqrt(rho)
    return FIELD_BITS - math.log2(count)


def quoted_query_bits(queries: int, theta: float) -> float:
    return -queries * math.log2(1 - theta)


@pytest.mark.parametrize("m", [3, 12, 75, 400])
@pytest.mark.parametrize("log_blowup", [1, 2, 3, 6])
def test_johnson_rounds_are_the_quoted_formulas(log_blowup: int, m: int) -> None:
    shape = one_table(published(log_blowup, 50, 20), 17, 321)
    report = johnson_report(shape, m)
    theta = quoted_theta(log_blowup, m, gap_divisor=1)
    list_bits = math.log2((m + 0.5) * 2 ** (log_blowup / 2))
    line = quoted_line_bits(17, log_blowup, m, theta)
    assert bits(report, "query") == pytest.approx(quoted_query_bits(50, theta), abs=1e-9)
    # The reading of the rate as (H - 1) / n moves these by less than a thousandth of a bit at 2^17 rows.
    assert bits(report, "batching") == pytest.approx(line - math.log2(320), abs=1e-3)
    for number, folded in enumerate((14, 11, 8, 5), start=1):
        line = quoted_line_bits(folded, log_blowup, m, theta)
        assert line - 0.07 <= bits(report, f"fold {number}") + math.log2(7) <= line
    assert bits(report, "constraint") == pytest.approx(FIELD_BITS - list_bits - math.log2(100))
    roots = 3 * (2**17 + 1) + 2**17 - 1
    # The domains themselves are added to the quoted roots: the point is drawn from the whole field.
    excluded = 2**17 + 2 ** (17 + log_blowup)
    expected = FIELD_BITS - math.log2(2**list_bits * roots + excluded)
    assert bits(report, "out of domain") == pytest.approx(expected)
    assert bits(report, "lookup") == pytest.approx(FIELD_BITS - list_bits - math.log2((20 << 17) * 8))
    assert report.johnson_multiplicity == m


def test_unique_decoding_rounds_are_the_quoted_formulas() -> None:
    report = unique_decoding_report(one_table(published(2, 50, 20), 17, 321))
    assert bits(report, "query") == pytest.approx(-50 * math.log2(1 - (1 - 1 / 4) / 2))
    assert bits(report, "batching") == pytest.approx(FIELD_BITS - 19 - math.log2(320))
    assert bits(report, "fold 1") == pytest.approx(FIELD_BITS - 16 - math.log2(7))
    assert bits(report, "constraint") == pytest.approx(FIELD_BITS - math.log2(100))
    assert bits(report, "lookup") == pytest.approx(FIELD_BITS - math.log2((20 << 17) * 8))
    assert report.johnson_multiplicity is None


@pytest.mark.parametrize("log_height", [0, 1, 8, 20])
def test_unique_decoding_claims_no_more_than_the_quoted_count(log_height: int) -> None:
    """The quoted error is (theta n + 1) / |F|; ours is the older n / |F|, which holds on the whole radius."""
    quoted = ((1 - 1 / 4) / 2 * 2 ** (log_height + 2) + 1) / CHALLENGE_FIELD_SIZE
    parameters = replace(published(2, 50, 20), log_final_length=min(log_height, 5))
    report = unique_decoding_report(one_table(parameters, log_height, 2))
    assert bits(report, "batching") <= -math.log2(quoted)


# ------------------------------------------------------------------ the published table

PUBLISHED = [
    (published(2, 84, 20), 20, 300, 40),
    (published(3, 57, 20), 20, 300, 40),
    (published(6, 26, 26, node_bytes=26), 17, 80, 24),
]
"""Parameters, log height, columns, and the m printed beside them; each claims 100 bits."""


@pytest.mark.parametrize(("parameters", "log_height", "columns", "m"), PUBLISHED)
def test_the_published_rows_of_100_bits_follow_from_the_quoted_formulas(
    parameters: StarkParameters, log_height: int, columns: int, m: int
) -> None:
    theta = quoted_theta(parameters.log_blowup, m, gap_divisor=2)
    line = quoted_line_bits(log_height, parameters.log_blowup, m, theta)
    assert quoted_query_bits(parameters.queries, theta) + parameters.grinding.query >= 100
    assert line - math.log2(columns - 1) + 16 >= 100


@pytest.mark.parametrize(("parameters", "log_height", "columns", "_m"), PUBLISHED)
def test_the_published_rows_of_100_bits_hold_under_the_stricter_theorem(
    parameters: StarkParameters, log_height: int, columns: int, _m: int
) -> None:
    report = soundness(one_table(parameters, log_height, columns))
    assert report.regime == "Johnson"
    assert report.minimum >= 100


@pytest.mark.parametrize(("parameters", "log_height", "columns", "m"), PUBLISHED)
def test_the_published_m_is_half_of_ours_at_the_same_radius(
    parameters: StarkParameters, log_height: int, columns: int, m: int
) -> None:
    theta = quoted_theta(parameters.log_blowup, m, gap_divisor=2)
    report = johnson_report(one_table(parameters, log_height, columns), 2 * m)
    assert bits(report, "query") == pytest.approx(quoted_query_bits(parameters.queries, theta))


def test_the_published_row_of_128_bits_needs_the_theorem_for_lines() -> None:
    """Independent batching and m = 6 give 128 bits if the gap is sqrt(rho) / 2m, which holds for lines alone."""
    theta = quoted_theta(4, 6, gap_divisor=2)
    line = quoted_line_bits(20, 4, 6, theta)
    assert quoted_query_bits(58, theta) + 20 >= 128
    assert line + 16 >= 128
    # The folds combine eight words by powers of one challenge: at this radius Theorem 4.2 counts with m = 12.
    ours = johnson_report(one_table(published(4, 58, 20), 20, 60), 12)
    assert bits(ours, "query") == pytest.approx(quoted_query_bits(58, theta))
    assert bits(ours, "fold 1") + 16 < 128
    best = soundness(one_table(published(4, 58, 20), 20, 60))
    assert 122.0 <= best.minimum <= 122.2


# ------------------------------------------------------------------ presets


@pytest.mark.parametrize("preset", SECURE.values(), ids=SECURE.keys())
def test_a_preset_reaches_what_it_promises(preset: StarkParameters) -> None:
    for log_height in heights_of(preset):
        assert soundness(reference_shape(preset, log_height)).minimum >= preset.target_bits


@pytest.mark.parametrize("name", [name for name in SECURE if "100" in name])
def test_a_layer_still_reaches_its_target_with_twice_the_columns(name: str) -> None:
    shape = reference_shape(PRESETS[name], 20)
    assert soundness(replace(shape, batched_columns=2 * shape.batched_columns)).minimum >= LAYER_TARGET_BITS


@pytest.mark.parametrize("preset", INSECURE.values(), ids=INSECURE.keys())
def test_an_insecure_preset_reports_few_bits(preset: StarkParameters) -> None:
    for log_height in heights_of(preset):
        assert soundness(reference_shape(preset, log_height)).minimum < 10


@pytest.mark.parametrize("base", ["keccak-100-rate-2", DEFAULT_KECCAK, DEFAULT_POSEIDON])
def test_a_chain_of_four_layers_has_100_bits(base: str) -> None:
    layers = [reference_shape(PRESETS[name], 20) for name in (base, "poseidon-100-rate-2", DEFAULT_POSEIDON)]
    layers.append(reference_shape(PRESETS["terminal"], 17))
    assert chained_bits(soundness(shape).summed_bits for shape in layers) >= 100


def test_poseidon_digests_do_not_reach_128_bits() -> None:
    report = soundness(reference_shape(PRESETS[DEFAULT_POSEIDON], 17))
    assert bits(report, "hash") == pytest.approx(4 / 5 * FIELD_BITS)
    assert bits(report, "hash") < 124


def test_cut_nodes_cost_collision_bits() -> None:
    assert bits(soundness(reference_shape(PRESETS["terminal"], 17)), "hash") == 104
    assert bits(soundness(reference_shape(PRESETS[DEFAULT_KECCAK], 17)), "hash") == 128


def test_the_document_prints_what_the_code_computes() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert preset_table() in text
    for name, log_height in ((DEFAULT_KECCAK, 20), ("terminal", 17)):
        assert round_table(soundness(reference_shape(PRESETS[name], log_height))) in text
    names = (DEFAULT_KECCAK, "poseidon-100-rate-2", DEFAULT_POSEIDON)
    layers = [reference_shape(PRESETS[name], 20) for name in names]
    layers.append(reference_shape(PRESETS["terminal"], 17))
    chain = rounded_down(chained_bits(soundness(shape).summed_bits for shape in layers))
    assert f"have {chain} bits together" in text


# ------------------------------------------------------------------ how bits move

MEASURED = [DEFAULT_KECCAK, "poseidon-100-rate-2", "keccak-100-rate-8", "keccak-128-rate-16", "test-poseidon"]
TOLERANCE = 1e-9


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(MEASURED), fewer=st.integers(1, 300), more=st.integers(0, 200))
def test_more_queries_never_lower_the_bits(name: str, fewer: int, more: int) -> None:
    few = reference_shape(replace(PRESETS[name], queries=fewer), 17)
    many = reference_shape(replace(PRESETS[name], queries=fewer + more), 17)
    assert soundness(many).minimum >= soundness(few).minimum - TOLERANCE


@settings(deadline=None, max_examples=40)
@given(name=st.sampled_from(MEASURED), lower=st.integers(5, 19), columns=st.integers(1, 5000))
def test_taller_tables_never_raise_the_bits(name: str, lower: int, columns: int) -> None:
    low = soundness(one_table(PRESETS[name], lower, columns))
    tall = soundness(one_table(PRESETS[name], lower + 1, columns))
    assert tall.minimum <= low.minimum + TOLERANCE
    assert tall.summed_bits <= low.summed_bits + TOLERANCE


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(MEASURED),
    what=st.sampled_from(
        ["batched_columns", "constraints", "max_constraint_degree", "interactions", "max_message_length"]
    ),
    factor=st.integers(2, 1 << 20),
)
def test_a_larger_proof_never_has_more_bits(name: str, what: str, factor: int) -> None:
    shape = reference_shape(PRESETS[name], 17)
    larger = replace(shape, **{what: factor * getattr(shape, what)})
    assert soundness(larger).minimum <= soundness(shape).minimum + TOLERANCE


@pytest.mark.parametrize(
    ("name", "rounds"),
    [
        ("challenge_round", {"lookup"}),
        ("constraint", {"constraint"}),
        ("out_of_domain", {"out of domain"}),
        ("batching", {"batching"}),
        ("folding", {"fold 1", "fold 2", "fold 3", "fold 4"}),
        ("query", {"query"}),
    ],
)
def test_grinding_strengthens_its_own_rounds_alone(name: str, rounds: set[str]) -> None:
    preset = PRESETS[DEFAULT_KECCAK]
    shape = reference_shape(preset, 17)
    bare = replace(shape, parameters=replace(preset, grinding=Grinding()))
    ground = replace(shape, parameters=replace(preset, grinding=Grinding(**{name: 7})))
    before, after = johnson_report(bare, 50), johnson_report(ground, 50)
    gained = {old.name: new.bits - old.bits for old, new in zip(before.rounds, after.rounds, strict=True)}
    assert {entry for entry, gain in gained.items() if gain} == rounds
    assert all(gained[entry] == pytest.approx(7) for entry in rounds)
    assert after.minimum_without_grinding == before.minimum


@pytest.mark.parametrize("name", [DEFAULT_KECCAK, "keccak-100-rate-16", "terminal", "test-keccak"])
def test_no_other_multiplicity_proves_more(name: str) -> None:
    shape = replace(reference_shape(PRESETS[name], 17))
    best = johnson_report(shape, best_multiplicity(shape)).minimum
    tried = [3, 4, 5, 8, 13, *range(20, 200), 300, 500, 999, 1000]
    assert max(johnson_report(shape, m).minimum for m in tried) <= best


def test_the_better_regime_is_reported() -> None:
    wide = reference_shape(PRESETS["keccak-128-rate-4"], 20)
    assert soundness(wide) == unique_decoding_report(wide)
    narrow = reference_shape(PRESETS[DEFAULT_KECCAK], 20)
    assert soundness(narrow) == johnson_report(narrow, best_multiplicity(narrow))


def test_a_single_column_is_not_claimed_to_be_certain() -> None:
    parameters = PRESETS[DEFAULT_KECCAK]
    one, two = (johnson_report(one_table(parameters, 17, columns), 50) for columns in (1, 2))
    assert bits(one, "batching") == bits(two, "batching")


def test_the_minimum_is_the_weakest_round_and_the_sum_is_below_it() -> None:
    report = soundness(reference_shape(PRESETS["terminal"], 17))
    assert report.weakest_round == "query"
    assert report.minimum == min(entry.bits for entry in report.rounds)
    summed = -math.log2(math.fsum(2.0**-entry.bits for entry in report.rounds))
    assert report.summed_bits == pytest.approx(summed)
    assert report.minimum - 2 < report.summed_bits < report.minimum


def test_an_error_above_one_has_no_bits_but_its_grinding() -> None:
    shape = replace(reference_shape(PRESETS[DEFAULT_KECCAK], 17), constraints=10**60)
    report = unique_decoding_report(shape)
    assert bits(report, "constraint") == 0
    assert report.minimum == 16
    assert report.summed_bits == pytest.approx(16)


def test_many_queries_do_not_underflow() -> None:
    shape = reference_shape(replace(PRESETS["keccak-100-rate-16"], queries=512), 17)
    assert bits(johnson_report(shape, 1000), "query") == pytest.approx(512 * (2 - math.log2(1.001)))


def test_a_proof_without_buses_has_no_lookup_round() -> None:
    shape = replace(one_table(PRESETS[DEFAULT_KECCAK], 17, 10), interactions=0, max_message_length=0)
    assert "lookup" not in {entry.name for entry in soundness(shape).rounds}


def test_every_other_challenge_round_is_counted_by_its_degree() -> None:
    shape = replace(one_table(PRESETS[DEFAULT_KECCAK], 17, 10), challenge_degrees=(1, 1 << 10))
    report = johnson_report(shape, 50)
    list_bits = math.log2(50.5 * 2)
    assert bits(report, "challenge 1") == pytest.approx(FIELD_BITS - list_bits)
    assert bits(report, "challenge 2") == pytest.approx(FIELD_BITS - list_bits - 10)
    assert {entry.grinding for entry in report.rounds if entry.name.startswith("challenge")} == {16}


def test_a_report_is_plain_json() -> None:
    report = soundness(reference_shape(PRESETS["terminal"], 17))
    entries = json.loads(json.dumps(report.to_json()))
    assert entries["minimum"] == report.minimum
    assert entries["minimum_without_grinding"] == report.minimum_without_grinding
    assert entries["summed_bits"] == report.summed_bits
    assert (entries["regime"], entries["johnson_multiplicity"]) == ("Johnson", report.johnson_multiplicity)
    assert entries["weakest_round"] == "query"
    assert entries["rounds"][-1] == {
        "name": "hash",
        "bits": 104.0,
        "bits_without_grinding": 104.0,
        "grinding": 0,
    }


# ------------------------------------------------------------------ shapes


def test_a_fold_that_mixes_tables_in_combines_one_word_more() -> None:
    shape = replace(
        one_table(PRESETS[DEFAULT_KECCAK], 20, 10),
        log_heights=(14, 20, 18, 18),
        fold_log_arities=(2, 3, 1, 3, 3, 3),
    )
    assert shape.folded_log_heights == (18, 15, 14, 11, 8, 5)
    assert shape.fold_curve_degrees == (4, 7, 2, 7, 7, 7)


def test_a_mixing_fold_is_weaker_than_one_that_does_not_mix() -> None:
    alone = one_table(PRESETS[DEFAULT_KECCAK], 20, 10)
    mixed = replace(alone, log_heights=(20, 17))
    lost = bits(johnson_report(alone, 50), "fold 1") - bits(johnson_report(mixed, 50), "fold 1")
    assert lost == pytest.approx(math.log2(8 / 7))


@pytest.mark.parametrize(
    ("degree", "expected"), [(1, 3), (2, 2), (3, 3), (4, 5), (5, 5), (6, 9), (9, 9), (10, 17)]
)
def test_the_composition_degree_counts_all_quotient_pieces(degree: int, expected: int) -> None:
    shape = replace(one_table(PRESETS[DEFAULT_KECCAK], 17, 10), max_constraint_degree=degree)
    assert shape.composition_degree == expected


def test_a_proof_of_one_row_is_measured() -> None:
    parameters = PRESETS[DEFAULT_KECCAK]
    report = johnson_report(one_table(replace(parameters, log_final_length=0), 0, 9), 50)
    # Four points, so six pairs, on a curve of degree eight.
    assert bits(report, "batching") == pytest.approx(FIELD_BITS - math.log2(8 * 6))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_heights": ()}, "a proof has at least one table"),
        ({"log_heights": (17, -1)}, "log_heights must lie from 0 to 22 at log_blowup 2, got -1"),
        ({"log_heights": (23,)}, "log_heights must lie from 0 to 22 at log_blowup 2, got 23"),
        ({"fold_log_arities": (4, 3, 3, 2)}, "fold_log_arities must lie from 1 to 3, got 4"),
        ({"fold_log_arities": (3, 3, 3, 3, 0)}, "fold_log_arities must lie from 1 to 3, got 0"),
        ({"log_heights": (17, 13, 9)}, "no fold reaches the tables of height 2^9"),
        ({"fold_log_arities": (3, 3, 3)}, "the folds must end between 0 and log_final_length 5, at 8"),
        ({"fold_log_arities": (3,) * 6}, "the folds must end between 0 and log_final_length 5, at -1"),
        ({"constraints": 0}, "constraints must be at least 1, got 0"),
        ({"max_constraint_degree": 0}, "max_constraint_degree must be at least 1, got 0"),
        ({"batched_columns": 0}, "batched_columns must be at least 1, got 0"),
        ({"interactions": -1}, "interactions must be at least 0, got -1"),
        ({"max_message_length": -1}, "max_message_length must be at least 0, got -1"),
        ({"out_of_domain_points": 0}, "out_of_domain_points must be at least 1, got 0"),
        ({"challenge_degrees": (3, 0)}, "challenge_degrees must be at least 1, got 0"),
        (
            {"max_message_length": 0},
            "interactions and max_message_length must both be zero or both be positive",
        ),
    ],
)
def test_a_shape_that_cannot_be_is_refused(changes: dict[str, object], message: str) -> None:
    shape = one_table(PRESETS[DEFAULT_KECCAK], 17, 10)
    with pytest.raises(ValueError, match=r".") as caught:
        replace(shape, **changes)  # type: ignore[arg-type]  # the point is to pass what does not fit
    assert str(caught.value) == message


def test_the_johnson_regime_refuses_a_multiplicity_below_three() -> None:
    shape = one_table(PRESETS[DEFAULT_KECCAK], 17, 10)
    with pytest.raises(ValueError, match=r"^the Johnson regime needs a multiplicity of at least 3, got 2$"):
        johnson_report(shape, 2)


# ------------------------------------------------------------------ arithmetic


@given(numerator=st.integers(0, 1 << 70), denominator=st.integers(1, 1 << 70))
def test_square_roots_are_enclosed(numerator: int, denominator: int) -> None:
    value = Fraction(numerator, denominator)
    lower, upper = square_root_bounds(value)
    assert lower * lower <= value <= upper * upper
    assert upper - lower <= Fraction(1, 1 << 64)


def test_the_square_root_of_a_power_of_four_is_exact() -> None:
    assert square_root_bounds(Fraction(1, 16)) == (Fraction(1, 4), Fraction(1, 4))
    assert Johnson(4).agreement(4) == Fraction(1, 4) * Fraction(5, 4)


def test_bits_are_exact_for_powers_of_two_and_never_negative() -> None:
    assert bits_of(Fraction(1, 1 << 5000)) == 5000
    assert bits_of(Fraction(3)) == 0
