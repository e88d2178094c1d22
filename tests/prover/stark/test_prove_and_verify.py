"""Every example circuit proves and verifies, at every height, under every test suite."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.examples import shuffle
from benchmarks.examples.catalogue import EXAMPLES, Example
from prover.air.builder import AirBuilder
from prover.errors import ProofRefused, Reason
from prover.field.koalabear import PRIME, Montgomery, encode
from prover.parameters import PRESETS, Grinding, StarkParameters, SuiteName
from prover.progress import Stages
from prover.stark import proving_key
from prover.stark.circuit import Circuit, CircuitError, define_circuit
from prover.stark.encoding import encode_proof
from prover.stark.prover import Proved, Proving, prove
from prover.stark.proving_key import ProvingKey, StreamedCommitment, make_proving_key
from prover.stark.verify import Accepted, verify

TEST_PRESETS = ["test-keccak", "test-poseidon", "test-poseidon-36"]
LEAST_LOG_SIZE = {"two-heights": 2, "range-check": 2}
"""Below these the examples' own fillers have nothing to fill: a period of four, three spare rows."""


def key_of(example: Example, log_size: int, parameters: StarkParameters) -> ProvingKey:
    heights = example.log_heights(log_size)
    return make_proving_key(example.circuit(), heights, parameters, example.preprocessed(), threads=1)


def round_trip(key: ProvingKey, proved: Proved, statement: list[int]) -> Accepted:
    content = encode_proof(key.verification, statement, proved.messages, proved.positions)
    return verify(key.verification, statement, content, accept_insecure=True)


@pytest.mark.parametrize("preset", TEST_PRESETS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_proves_and_verifies_from_its_smallest_height_up(name: str, preset: str) -> None:
    example = EXAMPLES[name]
    least = LEAST_LOG_SIZE.get(name, 0)
    for log_size in range(least, least + (2 if "poseidon" in name else 4)):
        key = key_of(example, log_size, PRESETS[preset])
        filled = example.fill(log_size, 3, 1)
        proved = prove(key, filled.traces, filled.statement, threads=1)
        accepted = round_trip(key, proved, filled.statement)
        assert accepted.statement == tuple(filled.statement)


@pytest.mark.parametrize("log_size", [5, 7, 10])
def test_the_threads_that_prove_do_not_change_a_byte(log_size: int) -> None:
    example = EXAMPLES["memory"]
    for preset in TEST_PRESETS:
        key = key_of(example, log_size, PRESETS[preset])
        filled = example.fill(log_size, 1, 1)
        proofs = [prove(key, filled.traces, filled.statement, threads=threads) for threads in (1, 2, 3)]
        first, *others = (
            encode_proof(key.verification, filled.statement, p.messages, p.positions) for p in proofs
        )
        assert others == [first, first]


@pytest.mark.parametrize("preset", [pytest.param("test-keccak", marks=pytest.mark.long), "test-poseidon"])
def test_commitments_that_hold_no_extension_do_not_change_a_byte(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shuffle", "poseidon-chain"):
        example = EXAMPLES[name]
        filled = example.fill(9, 1, 1)
        proofs = []
        for least in (99, 0):
            monkeypatch.setattr(proving_key, "LEAST_STREAMED_LOG_BLOWUP", least)
            monkeypatch.setattr(proving_key, "LEAST_STREAMED_LOG_SIZE", least)
            key = key_of(example, 9, PRESETS[preset])
            run = Proving(key, filled.traces, filled.statement, 2, Stages())
            proved = run.run()
            are_streamed = {isinstance(c, StreamedCommitment) for c in run.commitments.values()}
            assert are_streamed == {least == 0}
            for commitment in run.commitments.values():
                assert [m.shape[0] for m in commitment.extended] == [
                    m.columns for m in commitment.phase.matrices
                ]
            proofs.append(encode_proof(key.verification, filled.statement, proved.messages, proved.positions))
        assert proofs[0] == proofs[1]


@pytest.mark.parametrize("preset", ["keccak-100-rate-2", "test-keccak", "terminal"])
@pytest.mark.parametrize("name", ["poseidon-batch", "shuffle", "range-check"])
def test_a_trace_in_its_room_does_not_change_a_byte(
    name: str, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With buses or later columns, or where no extension is held, the trace stays and has no room to grow."""
    monkeypatch.setattr(proving_key, "LEAST_STREAMED_LOG_SIZE", 0)
    example = EXAMPLES[name]
    key = key_of(example, 9, replace(PRESETS[preset], grinding=Grinding()))
    filled = example.fill(9, 1, 1)
    rooms = [key.trace_room(table) for table in range(len(filled.traces))]
    for room, trace in zip(rooms, filled.traces, strict=True):
        room.trace[:] = trace
    proofs = [prove(key, traces, filled.statement, threads=2) for traces in (filled.traces, rooms)]
    first, second = (
        encode_proof(key.verification, filled.statement, p.messages, p.positions) for p in proofs
    )
    assert first == second
    is_used_up = name == "poseidon-batch" and preset != "terminal"
    assert {room.log_blowup > 0 for room in rooms} == {is_used_up}
    assert all(
        np.array_equal(room.trace, trace) != is_used_up
        for room, trace in zip(rooms, filled.traces, strict=True)
    )


VERIFY_WITHOUT_NUMBA = """
import json, sys
sys.modules["numba"] = None
from pathlib import Path
from benchmarks.examples.catalogue import EXAMPLES
from prover.stark.encoding import Reader, read_heading
from prover.stark.key import make_verification_key
from prover.stark.verify import verify
name, root, path = sys.argv[1:]
content = Path(path).read_bytes()
heading = read_heading(Reader(content))
content_root = tuple(map(int, root.split(","))) if "," in root else bytes.fromhex(root)
key = make_verification_key(
    EXAMPLES[name].circuit(), heading.log_heights, heading.parameters, content_root or None
)
accepted = verify(key, heading.statement, content, accept_insecure=True)
print(json.dumps([list(accepted.statement), "numba.core" in sys.modules]))
"""


@pytest.mark.parametrize(
    ("name", "preset"),
    [("range-check", "test-keccak"), ("range-check", "test-poseidon"), ("two-heights", "test-poseidon-36")],
)
def test_a_proof_verifies_in_a_process_that_cannot_import_numba(
    name: str, preset: str, tmp_path: Path, checkout: Path
) -> None:
    example = EXAMPLES[name]
    key = key_of(example, 3, PRESETS[preset])
    filled = example.fill(3, 1, 1)
    proved = prove(key, filled.traces, filled.statement, threads=1)
    path = tmp_path / "proof"
    path.write_bytes(encode_proof(key.verification, filled.statement, proved.messages, proved.positions))
    root = key.verification.preprocessed_root or b""
    text = root.hex() if isinstance(root, bytes) else ",".join(map(str, root))
    command = [sys.executable, "-c", VERIFY_WITHOUT_NUMBA, name, text, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=checkout, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [filled.statement, False]


def parameters(
    *,
    log_blowup: int = 2,
    arity: int = 2,
    final: int = 2,
    node_bytes: int = 32,
    grinding: Grinding | None = None,
) -> StarkParameters:
    work = grinding or Grinding()
    return StarkParameters("test", log_blowup, 5, arity, final, work, SuiteName.KECCAK, node_bytes, True, 0)


@pytest.mark.parametrize(
    "chosen",
    [
        parameters(log_blowup=1),
        parameters(log_blowup=4, arity=3, final=0),
        parameters(log_blowup=6, arity=1, final=8),
        parameters(node_bytes=26),
        parameters(grinding=Grinding(1, 2, 3, 4, 5, 6)),
    ],
    ids=["rate_1_2", "fold_by_8_to_a_constant", "rate_1_64_without_a_fold", "short_nodes", "grinding"],
)
def test_other_parameters_prove_and_verify_too(chosen: StarkParameters) -> None:
    example = EXAMPLES["two-heights"]
    key = key_of(example, 5, chosen)
    filled = example.fill(5, 1, 1)
    round_trip(key, prove(key, filled.traces, filled.statement, threads=1), filled.statement)


@pytest.mark.parametrize("heights", [(0, 7), (7, 0), (3, 4), (4, 3), (0, 0), (6, 6)])
@pytest.mark.parametrize("arity", [1, 2, 3])
def test_tables_of_any_two_heights_are_folded_together(heights: tuple[int, int], arity: int) -> None:
    def constrain(air: AirBuilder) -> None:
        value = air.column("value")
        air.assert_zero("the value is a digit of base three", value * (value - 1) * (value - 2))

    circuit = define_circuit("digits", [("left", constrain), ("right", constrain)])
    key = make_proving_key(circuit, heights, parameters(arity=arity, final=1), threads=1)
    traces = [encode(np.arange(1 << height) % 3)[None, :] for height in heights]
    round_trip(key, prove(key, traces, threads=1), [])
    traces[1][0, -1] = encode([7])[0]
    with pytest.raises(ProofRefused) as refusal:
        round_trip(key, prove(key, traces, threads=1), [])
    assert refusal.value.reason is Reason.CONSTRAINTS_DO_NOT_HOLD
    assert refusal.value.detail == "table right: the constraints differ from the quotient at the random point"


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 5, 6, 9])
def test_constraints_of_any_degree_that_the_rate_allows_are_proved(degree: int) -> None:
    def constrain(air: AirBuilder) -> None:
        value = air.column("value")
        product = value
        for root in range(1, degree):
            product = product * (value - root)
        air.assert_zero("the value is one of the roots", product)

    circuit = define_circuit("roots", [("values", constrain)])
    key = make_proving_key(circuit, (4,), parameters(log_blowup=3), threads=1)
    trace = encode(np.arange(16) % degree)[None, :]
    round_trip(key, prove(key, [trace], threads=1), [])
    trace[0, 3] = encode([100])[0]
    with pytest.raises(ProofRefused):
        round_trip(key, prove(key, [trace], threads=1), [])


def preprocessed_and_periodic() -> Circuit:
    def constrain(air: AirBuilder) -> None:
        step, total = air.columns("step", "total")
        fixed, beat = air.preprocessed("fixed"), air.periodic("beat", (1, PRIME - 1, 3, 0))
        air.assert_equal("a step is the fixed value on the beat", step, fixed * beat)
        air.on_first_row.assert_equal("the total starts with the first step", total, step)
        air.on_transition.assert_equal("the total adds the next step", total.next, total + step.next)
        air.on_transition.assert_zero("fixed values go up by two", fixed.next - fixed - 2)

    return define_circuit("beat", [("walk", constrain)])


@pytest.mark.parametrize("preset", TEST_PRESETS)
@pytest.mark.parametrize("log_height", [2, 3, 6])
def test_preprocessed_and_periodic_columns_are_proved(preset: str, log_height: int) -> None:
    rows = np.arange(1 << log_height)
    fixed = 2 * rows + 5
    steps = fixed * np.array([1, -1, 3, 0])[rows % 4]
    content: list[Montgomery | None] = [encode(fixed % PRIME)[None, :]]
    key = make_proving_key(preprocessed_and_periodic(), (log_height,), PRESETS[preset], content, threads=1)
    trace = encode(np.stack([steps % PRIME, np.cumsum(steps) % PRIME]))
    round_trip(key, prove(key, [trace], threads=1), [])
    with pytest.raises(ProofRefused):
        round_trip(key, prove(key, [np.ascontiguousarray(np.roll(trace, 1, axis=1))], threads=1), [])


def test_columns_of_two_challenge_rounds_are_proved() -> None:
    key = make_proving_key(shuffle.circuit(), (5,), PRESETS["test-keccak"], threads=1)
    assert [phase.name for phase in key.verification.shape.phases] == [
        "main",
        "challenge round 1",
        "challenge round 2",
        "quotient",
    ]
    round_trip(key, prove(key, shuffle.fill(5, 1), threads=1), [])
    (trace,) = shuffle.fill(5, 1)
    trace[1, 0] = encode([123456789])[0]
    with pytest.raises(ProofRefused) as refusal:
        round_trip(key, prove(key, [trace], threads=1), [])
    assert refusal.value.reason is Reason.CONSTRAINTS_DO_NOT_HOLD


def test_the_stages_of_a_proof_are_reported_in_order() -> None:
    seen: list[str] = []
    stages = Stages(lambda stage, _fraction: seen.append(stage))
    example = EXAMPLES["two-heights"]
    key = key_of(example, 3, PRESETS["test-keccak"])
    filled = example.fill(3, 1, 1)
    prove(key, filled.traces, filled.statement, threads=1, stages=stages)
    assert (
        list(dict.fromkeys(seen))
        == list(stages.seconds)
        == [
            "commit to the trace",
            "fill challenge round 1",
            "commit to challenge round 1",
            "evaluate the constraints",
            "commit to the quotient",
            "open at the random point",
            "batch the columns",
            "fold",
            "grind and open",
        ]
    )


def test_what_does_not_fit_the_circuit_is_refused_before_proving() -> None:
    example = EXAMPLES["two-heights"]
    key = key_of(example, 3, PRESETS["test-keccak"])
    traces, statement = example.fill(3, 1, 1).traces, example.fill(3, 1, 1).statement
    cases: list[tuple[list[Montgomery], list[int], str]] = [
        (traces, [], "the statement has 0 values, not 1"),
        (traces, [PRIME], "a public value is not a canonical field element"),
        (traces[:1], statement, "1 traces for 2 tables"),
        (
            [traces[0][:2], traces[1]],
            statement,
            "table questions: the main matrix is uint32 (2, 8), not uint32 (3, 8)",
        ),
        (
            [traces[0].astype(np.int64), traces[1]],
            statement,
            "table questions: the main matrix is int64 (3, 8), not uint32 (3, 8)",
        ),
    ]
    for given, public, message in cases:
        with pytest.raises(CircuitError) as refusal:
            prove(key, given, public, threads=1)
        assert str(refusal.value) == message
