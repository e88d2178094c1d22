"""`clearing proof` and its demo: good files, bad files, and what they print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli import main
from rollup.commands.terminal import EXIT_BAD_INPUT, EXIT_REFUSED

Captured = pytest.CaptureFixture[str]


def run(captured: Captured, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    output = captured.readouterr()
    return code, output.out, output.err


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proofs") / "two-heights.proof"
    assert main(["proof", "make", "two-heights", "--log-size", "5", "--out", str(path)]) == 0
    return path


def test_a_proof_is_made_shown_and_verified(proof: Path, capsys: Captured) -> None:
    code, out, _ = run(capsys, "proof", "show", proof)
    assert code == 0
    assert "circuit     two-heights" in out
    assert "heights     2^5, 2^3" in out
    assert f"size        {proof.stat().st_size:,} bytes" in out
    code, out, _ = run(capsys, "proof", "verify", proof)
    assert code == 0
    assert out.startswith("accepted in ")


def test_the_sizes_of_the_parts_add_up(proof: Path, capsys: Captured) -> None:
    code, out, _ = run(capsys, "proof", "show", proof, "--json")
    document = json.loads(out)
    assert code == 0
    assert sum(document["bytes_by_part"].values()) == document["bytes"] == proof.stat().st_size
    assert document["parameters"]["name"] == "keccak-100-rate-4"
    assert document["soundness_bits"]["minimum"] >= 100


def test_a_verified_proof_as_json(proof: Path, capsys: Captured) -> None:
    code, out, _ = run(capsys, "proof", "verify", proof, "--json")
    assert (code, json.loads(out)["accepted"]) == (0, True)


def test_an_example_with_preprocessed_columns_makes_the_round_trip(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "range.proof"
    code, out, _ = run(
        capsys, "proof", "make", "range-check", "--preset", "test-keccak", "--out", path, "--json"
    )
    assert (code, json.loads(out)["bytes"]) == (0, path.stat().st_size)
    code, _, err = run(capsys, "proof", "verify", path)
    assert code == EXIT_REFUSED
    assert (
        err == "clearing: proof refused, insecure parameters: the parameters test-keccak are for tests only\n"
    )
    assert run(capsys, "proof", "verify", path, "--accept-insecure")[0] == 0
    assert "(INSECURE, for tests only)" in run(capsys, "proof", "show", path)[1]


def test_more_bits_than_there_are_is_a_refusal(proof: Path, capsys: Captured) -> None:
    code, out, err = run(capsys, "proof", "verify", proof, "--bits", 128, "--json")
    assert code == EXIT_REFUSED
    assert json.loads(out)["reason"] == "too_few_security_bits"
    assert "128 were asked for" in err


def test_a_changed_byte_is_a_refusal(proof: Path, tmp_path: Path, capsys: Captured) -> None:
    content = bytearray(proof.read_bytes())
    content[-1] ^= 1
    changed = tmp_path / "changed.proof"
    changed.write_bytes(content)
    code, _, err = run(capsys, "proof", "verify", changed)
    assert code == EXIT_REFUSED
    assert err.startswith("clearing: proof refused, ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda _: b"", "truncated: the proof ends inside its heading"),
        (lambda _: b"no proof at all", "wrong version: this is not a proof file"),
        (lambda content: content[:4] + b"\0\x09" + content[6:], "wrong version: format version 9 is not 1"),
        (lambda content: content[:6] + b"\1" + content[7:], "hiding not supported"),
        (lambda content: content.replace(b"two-heights", b"two-hearts!"), "which is not an example"),
    ],
    ids=["empty", "other file", "other version", "hiding", "other circuit"],
)
def test_a_file_that_is_no_proof_is_one_clear_line(
    damage: object, said: str, proof: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert callable(damage)
    path = tmp_path / "damaged.proof"
    path.write_bytes(damage(proof.read_bytes()))
    for command in ("show", "verify"):
        code, out, err = run(capsys, "proof", command, path)
        assert (code, out) == (EXIT_BAD_INPUT, "")
        assert said in err
        assert err.count("\n") == 1


def test_a_truncated_proof_cannot_be_shown(proof: Path, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "short.proof"
    path.write_bytes(proof.read_bytes()[:-1])
    code, _, err = run(capsys, "proof", "show", path)
    assert code == EXIT_BAD_INPUT
    assert "truncated" in err


def test_heights_that_no_key_has_are_one_clear_line(proof: Path, tmp_path: Path, capsys: Captured) -> None:
    content = proof.read_bytes()
    heights = content.index(b"\x00\x02\x05\x03")
    path = tmp_path / "tall.proof"
    path.write_bytes(content[: heights + 2] + b"\xff\x03" + content[heights + 4 :])
    code, _, err = run(capsys, "proof", "verify", path)
    assert code == EXIT_BAD_INPUT
    assert "table questions: height 2^255 is outside" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fibonacci", "--out", "x"], "there is no example 'fibonacci'"),
        (["memory", "--preset", "best", "--out", "x"], "there is no preset 'best'"),
        (["memory", "--log-size", "1", "--out", "x"], "the example memory starts at --log-size 4"),
        (["shuffle", "--log-size", "4", "--out", "no/such/folder/x"], "cannot write"),
    ],
)
def test_a_wrong_request_is_one_clear_line(arguments: list[str], said: str, capsys: Captured) -> None:
    code, _, err = run(capsys, "proof", "make", *arguments)
    assert code == EXIT_BAD_INPUT
    assert said in err
    assert err.count("\n") == 1


def test_the_demo_proves_verifies_and_refuses(capsys: Captured) -> None:
    code, out, _ = run(capsys, "proof", "demo", "--log-size", 4)
    assert code == 0
    assert "proved   16 Poseidon permutations" in out
    assert "refused  the same with one wrong cell: proof refused, constraints do not hold" in out


def test_the_demo_as_json(capsys: Captured) -> None:
    code, out, _ = run(capsys, "proof", "demo", "--log-size", 3, "--json")
    document = json.loads(out)
    assert (code, document["hashes"]) == (0, 8)
    assert document["forged"].startswith("proof refused, constraints do not hold")
