"""The README's table of figures, written from the kept results so that it cannot drift from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent
RESULTS = HOME / "benchmarks" / "results"
START, END = "<!-- figures -->", "<!-- end of figures -->"


def table(folder: Path = RESULTS) -> str:
    """The figures with their floors and aims, and the machine and commands they come from."""
    keccak, poseidon = _read(folder / "prover-keccak.json"), _read(folder / "prover-poseidon.json")
    quarter = _read(folder / "prover-keccak-rate-4.json")
    scaling, first = _read(folder / "scaling.json"), _read(folder / "first-proof.json")
    machine, bits = keccak["machine"], keccak["soundness_bits"]
    batch = _batch_lines(_read(folder / "batch-keccak.json"))
    rows = [
        ("Poseidon permutations a second, Keccak trees", _rate(keccak), "250,000", "600,000"),
        ("the same at rate 1/4", _rate(quarter), "", ""),
        ("the same with Poseidon trees, rate 1/2", _rate(poseidon), "80,000", "150,000"),
        ("verify, Keccak trees", f"{keccak['verify_seconds']:.2f} s", "1 s", "0.3 s"),
        ("verify, Poseidon trees", f"{poseidon['verify_seconds']:.2f} s", "", ""),
        ("proof, Keccak trees, rate 1/2", _kibibytes(keccak), "450 KiB", "250 KiB"),
        ("proof, Keccak trees, rate 1/4", _kibibytes(quarter), "", ""),
        (
            "peak memory over the extended trace, imports left out",
            _memory(keccak),
            "3 x",
            "2 x",
        ),
        ("time a cell at 2^20 rows over that at 2^16", f"{_growth(scaling):.2f}", "1.3", "1.1"),
        (
            "first proof, without kernels on disk / with them",
            f"{first['seconds_without_caches']:.0f} s / {first['seconds_with_caches']:.1f} s",
            "60 s / 5 s",
            "30 s / 2 s",
        ),
    ]
    provable = (
        f"{bits['minimum']:.1f} provable bits ({bits['minimum_without_grinding']:.1f} without grinding)"
    )
    lines = [
        *batch,
        "",
        *_recursion_lines(_read(folder / "recursion.json")),
        "",
        f"The engine alone: 2^{keccak['log_size']} permutations, end to end (fill, commit, prove), {provable},",
        f"{keccak['threads']} threads; the median of {keccak['repeats']} warm runs, the spread in brackets.",
        f"Machine: {machine['processor']} ({machine['llvm_cpu']}), {machine['cores']} cores.",
        "Measured by `python cli.py bench all`; everything it wrote is in `benchmarks/results/`.",
        "",
        "| what | measured | floor | aim |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines)


def _batch_lines(batch: dict[str, Any]) -> list[str]:
    """Whole clearing batches: the figures, and where they come from."""
    machine, bits = batch["machine"], batch["soundness_bits"]
    low, high = (batch["trades"] / seconds for seconds in reversed(batch["prove_seconds_spread"]))
    rows = [
        (
            "trades proved a second, witness included",
            f"{batch['trades_per_second']:,.0f} ({low:,.0f} to {high:,.0f})",
            "300",
            "1,000",
        ),
        ("committed cells a trade", f"{batch['cells_per_trade']:,.0f}", "40,000", "12,000"),
        (
            "cells a signature, of which a trade has two",
            f"{batch['cells_per_signature']:,.0f}",
            "15,000",
            "4,000",
        ),
        ("a batch of 64 trades, from rules to proof", f"{batch['latency_64_seconds']:.2f} s", "3 s", "1 s"),
        ("verify, without numba, key made before", f"{batch['verify_seconds']:.2f} s", "1.5 s", "0.5 s"),
        ("peak memory", f"{batch['peak_rss_bytes'] / 2**30:.1f} GiB", "12 GiB", "6 GiB"),
        ("cost a trade, over that of a batch of 512", f"{batch['cost_4096_over_512']:.2f}", "1.0", "0.8"),
        ("proof", f"{batch['proof_bytes'] / 1024:,.0f} KiB", "", ""),
    ]
    size = f"{batch['trades']:,} trades among {batch['accounts']:,} accounts"
    provable = (
        f"{bits['minimum']:.1f} provable bits ({bits['minimum_without_grinding']:.1f} without grinding)"
    )
    cores = f"{machine['processor']} ({machine['llvm_cpu']}), {machine['cores']} cores"
    return [
        f"A clearing batch of {size}, Keccak trees, {provable},",
        f"{batch['threads']} threads; the median of {batch['repeats']} warm proofs, the spread in brackets.",
        f"Machine: {cores}; measured by `python cli.py bench batch --keep`.",
        "",
        "| what | measured | floor | aim |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        *_peer_lines(batch),
    ]


def _peer_lines(batch: dict[str, Any]) -> list[str]:
    """What a person would pick instead, where npm was there to bring it."""
    hashes, signatures = batch.get("peer_hashes", {}), batch.get("peer_signatures", {})
    if "versions" not in hashes or "versions" not in signatures:
        return []
    versions = signatures["versions"]
    checks = f"{signatures['signatures_per_second']:.2f} EdDSA checks a second"
    hash_rate = f"{hashes['hashes_per_second']:.0f} Poseidon hashes, {hashes['hashes_per_proof']} a proof"
    apart = f"set-ups of {signatures['setup_seconds']:.0f} s and {hashes['setup_seconds']:.0f} s apart"
    return [
        "",
        "Beside it, in the same run, what a person would pick instead:",
        f"circom {versions['circom']} with snarkjs {versions['snarkjs']} (Groth16 over BN254) proves {checks},",
        f"{signatures['signatures_per_proof']} a proof, and {hash_rate}; {apart}.",
        f"Here {batch['signatures_per_second']:,.0f} signatures a second come with their trades, margins and state.",
        "Curves and permutations are others of comparable use; the peer's proof has 256 bytes and hides its witness.",
    ]


def _recursion_lines(recursion: dict[str, Any]) -> list[str]:
    """The way from a batch's proof to the contract, and what the contract charges."""
    machine, warm = recursion["machine"], recursion["recursion_seconds_all"][1:]
    spread = f"{recursion['recursion_seconds']:.1f} s ({min(warm):.1f} to {max(warm):.1f})"
    rows = [
        ("recursion, from the base proof to the terminal one", spread, "15 s", "8 s"),
        ("peak memory of it", f"{recursion['peak_rss_bytes'] / 2**30:.1f} GiB", "8 GiB", "4 GiB"),
        ("terminal proof", f"{recursion['terminal_proof_bytes'] / 1024:.1f} KiB", "104 KiB", "90 KiB"),
        ("gas to prove a batch", f"{recursion['gas_prove']:,}", "7,000,000", "4,500,000"),
        (
            f"gas a trade at {recursion['trades']:,}, data included, by EIP-7623 (by EIP-7976)",
            f"{recursion['gas_per_trade']:,.0f} ({recursion['gas_per_trade_7976']:,.0f})",
            "4,000",
            "2,000",
        ),
        (
            "the same by EIP-7623 where four such batches share a proof",
            f"{recursion['gas_per_trade_of_4']:,.0f}",
            "",
            "",
        ),
        (
            "gas to prove four batches at once, over that of one",
            f"{recursion['gas_aggregate_4'] / recursion['gas_prove']:.3f}",
            "1.1",
            "1.02",
        ),
        ("the contract's verifier in py-evm", f"{recursion['evm_seconds']:.1f} s", "10 s", "3 s"),
        ("gas of one exit", f"{recursion['gas_exit']:,}", "5,000,000", "2,500,000"),
    ]
    steps = ", ".join(f"{step['name']} {step['seconds']:.1f} s" for step in recursion["steps"])
    cores = f"{machine['processor']} ({machine['llvm_cpu']}), {machine['cores']} cores"
    runs = (
        f"the median of {recursion['repeats']} warm runs, keys made before ({recursion['key_seconds']:.0f} s)"
    )
    return [
        f"From that batch's proof, made again over Poseidon trees, to the contract: {steps}.",
        f"All proofs together have {recursion['soundness_bits']:.1f} provable bits; {runs}.",
        f"Machine: {cores}; measured by `python cli.py bench recursion --trades {recursion['trades']} --keep`.",
        "",
        "| what | measured | floor | aim |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def write_into(document: Path, folder: Path = RESULTS) -> None:
    """Replace what stands between the marks."""
    text = document.read_text()
    before, rest = text.split(START)
    _, after = rest.split(END)
    document.write_text(f"{before}{START}\n{table(folder)}\n{END}{after}")


def _rate(result: dict[str, Any]) -> str:
    low, high = result["seconds_spread"]
    rows = 1 << result["log_size"]
    return f"{result['permutations_per_second']:,.0f} ({rows / high:,.0f} to {rows / low:,.0f})"


def _kibibytes(result: dict[str, Any]) -> str:
    return f"{result['proof_bytes'] / 1024:.0f} KiB"


def _memory(result: dict[str, Any]) -> str:
    net = (result["peak_rss_bytes"] - result["baseline_rss_bytes"]) / result["extended_trace_bytes"]
    return f"{net:.2f} x (with them {result['peak_over_extended_trace']:.2f} x)"


def _growth(scaling: dict[str, Any]) -> float:
    cost = {size["log_size"]: size["nanoseconds_per_cell"] for size in scaling["sizes"]}
    ratio: float = cost[20] / cost[16]
    return ratio


def _read(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    return result
