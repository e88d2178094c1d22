"""`bench peers`: hashes and signatures proved by circom 2 and snarkjs, beside this prover's hashes."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.peers.children import run_limited
from benchmarks.peers.packages import PACKAGES, CannotInstallError, cache_folder, install, missing_tool
from benchmarks.peers.programs import DRIVER, HASHES, SIGNATURES, PeerProgram
from rollup.commands.terminal import json_option, print_json, progress_on_stderr

CURVE = "bn128"
"""snarkjs's name for BN254."""

BEACON = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
"""Public and so insecure as a secret, which is fine for a measurement.

Without a contribution every point of the set-up is the generator, and sums of equal points take other paths.
"""

BEACON_ITERATIONS_LOG = 10
"""The least that snarkjs takes."""

STEP_SECONDS = 900
"""How long the compiler, or any step of the set-up, may take before it is ended."""

PROVING_GRACE_SECONDS = 300
"""What proving may take beyond the time asked for: the last proof, every verification, the start."""

STATEMENT = (
    "Poseidon over BN254 with 2 inputs and Poseidon over KoalaBear with width 16 are different permutations "
    "of comparable use: each hashes two digests to one. "
    "Groth16 needs a trusted set-up for each circuit, and its proof is shorter and hides its witness; "
    "this prover needs no set-up. "
    "The peer proves few hashes at a time, so that its set-up ends in minutes: a longer chain may cost less a hash."
)
"""What the two figures can and cannot be compared for; printed with them."""

SIGNATURE_STATEMENT = (
    "EdDSA over Baby Jubjub (254 bits) and Schnorr over the septic extension of KoalaBear (217 bits) are different "
    "signatures of comparable use: a message of one element, hashed with Poseidon, under a key of its own. "
    "The peer proves signatures alone; here two of them come with a whole trade, its margins and its state, "
    "and all of that is counted as the signatures' time."
)
"""What the comparison of signatures is good for."""

SIGNATURES_PER_PROOF = 3
"""Of the peer: 12,600 constraints fill a domain of 2^14, so its set-up ends in minutes."""


def constraints_of(compiler_output: str) -> int:
    """Read how many constraints circom made."""
    counts = re.findall(r"^(?:non-)?linear constraints: (\d+)$", compiler_output, flags=re.MULTILINE)
    if len(counts) != 2:
        raise click.ClickException("circom did not say how many constraints there are")
    return sum(map(int, counts))


def setup_log_size(constraints: int, publics: int = 1) -> int:
    """log2 of the domain: snarkjs wants strictly more rows than constraints and public values."""
    return (constraints + publics).bit_length()


def set_up(run: Callable[..., str], log_size: int, circuit: str = HASHES.name) -> dict[str, float]:
    """Make powers of tau and the circuit's keys here, and give the seconds of each step."""
    beacon = (BEACON, str(BEACON_ITERATIONS_LOG))
    steps = {
        "powers of tau": ("powersoftau", "new", CURVE, str(log_size), "first.ptau"),
        "contribution": ("powersoftau", "beacon", "first.ptau", "second.ptau", *beacon),
        "phase 2": ("powersoftau", "prepare", "phase2", "second.ptau", "powers.ptau"),
        "circuit": ("groth16", "setup", f"{circuit}.r1cs", "powers.ptau", "first.zkey"),
        "circuit contribution": ("zkey", "beacon", "first.zkey", "final.zkey", *beacon),
        "verification key": ("zkey", "export", "verificationkey", "final.zkey", "verification_key.json"),
    }
    seconds = {}
    for name, arguments in steps.items():
        started = time.perf_counter()
        run(*arguments)
        seconds[name] = time.perf_counter() - started
    return seconds


def summarise(result: dict[str, Any], count: int, program: PeerProgram = HASHES) -> dict[str, Any]:
    """What the driver measured, a hash or signature; the first proof is given apart."""
    totals = [run["witness"] + run["prove"] for run in result["runs"]]
    first, warm = totals[0], totals[1:]
    median = statistics.median(warm)
    coordinates = [*result["proof"]["pi_a"][:2], *result["proof"]["pi_c"][:2]]
    coordinates += [part for point in result["proof"]["pi_b"][:2] for part in point]
    return {
        "proofs": len(warm),
        f"{program.units}_proved": len(warm) * count,
        "seconds_proving": sum(warm),
        "seconds_per_proof": median,
        "seconds_per_proof_spread": [min(warm), max(warm)],
        "seconds_witness": statistics.median(run["witness"] for run in result["runs"][1:]),
        "seconds_first_proof": first,
        f"seconds_per_{program.unit}": median / count,
        f"{program.units}_per_second": count / median,
        "verify_seconds": statistics.median(run["verify"] for run in result["runs"][1:]),
        "proof_bytes": 32 * len(coordinates),
        "proof_json_bytes": len(json.dumps(result["proof"], separators=(",", ":"))),
        "threads": result["threads"],
        "peak_rss_bytes": result["peak_rss_bytes"],
    }


def measure_peer(
    folder: Path, program: PeerProgram, count: int, seconds: float, show: Callable[[str, float], None]
) -> dict[str, Any]:
    """Compile, set up, prove for so many seconds, verify; all files lie in a folder that goes away."""
    node = shutil.which("node") or "node"
    # Beside `node_modules`, so that node finds the packages and circom its library.
    with tempfile.TemporaryDirectory(dir=folder, prefix="run-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        written = program.circuit.replace("LENGTH", str(count))
        (work / f"{program.name}.circom").write_text(written, encoding="utf-8")
        (work / "inputs.cjs").write_text(program.inputs, encoding="utf-8")
        (work / "prove.cjs").write_text(DRIVER, encoding="utf-8")
        circom = (node, "node_modules/circom2/cli.js")
        options = ("--r1cs", "--wasm", "--O2", "-l", "node_modules", "-o", work.name)
        show(f"compile {program.units}", 0.0)
        started = time.perf_counter()
        # Started above the circuit: this build of circom finds no library outside of the folder it runs in.
        source = f"{work.name}/{program.name}.circom"
        compiled = run_limited([*circom, source, *options], folder, STEP_SECONDS)
        compile_seconds = time.perf_counter() - started
        compiler = re.search(r"compiler (\S+)", run_limited([*circom, "--version"], folder, STEP_SECONDS))
        constraints = constraints_of(compiled)
        log_size = setup_log_size(constraints, program.publics(count))
        show(f"set up {program.units}", 0.0)
        snarkjs = (node, "../node_modules/snarkjs/build/cli.cjs")
        setup = set_up(
            lambda *arguments: run_limited([*snarkjs, *arguments], work, STEP_SECONDS), log_size, program.name
        )
        show(f"prove {program.units}", 0.0)
        asked = (program.name, str(count), str(seconds))
        run_limited([node, "prove.cjs", *asked], work, 2 * seconds + PROVING_GRACE_SECONDS)
        result = json.loads((work / "result.json").read_text(encoding="utf-8"))
    versions = {**PACKAGES, "circom": compiler[1] if compiler else "unknown", "node": result["node"]}
    return {
        "proof_system": "Groth16 over BN254",
        program.unit: WHAT_IS_PROVED[program.name],
        f"{program.units}_per_proof": count,
        "constraints": constraints,
        "setup_log_size": log_size,
        "compile_seconds": compile_seconds,
        "setup_seconds": sum(setup.values()),
        "setup_seconds_by_step": setup,
        **summarise(result, count, program),
        "versions": versions,
    }


WHAT_IS_PROVED = {
    HASHES.name: "Poseidon(2) of circomlib",
    SIGNATURES.name: "EdDSAPoseidonVerifier of circomlib",
}


def measure_signatures(
    seconds: float = 60,
    count: int = SIGNATURES_PER_PROOF,
    *,
    show: Callable[[str, float], None] = lambda _stage, _fraction: None,
) -> dict[str, Any]:
    """Signature checks of the peer, or why they could not be measured."""
    return _with_packages(lambda folder: measure_peer(folder, SIGNATURES, count, seconds, show), show)


def measure_hashes(
    seconds: float = 60,
    count: int = 16,
    *,
    show: Callable[[str, float], None] = lambda _stage, _fraction: None,
) -> dict[str, Any]:
    """Hashes of the peer, or why they could not be measured."""
    return _with_packages(lambda folder: measure_peer(folder, HASHES, count, seconds, show), show)


def _with_packages(
    work: Callable[[Path], dict[str, Any]], show: Callable[[str, float], None]
) -> dict[str, Any]:
    reason = missing_tool()
    if reason:
        return {"skipped": reason}
    folder = cache_folder()
    show("install", 0.0)
    try:
        install(folder)
    except CannotInstallError as error:
        return {"skipped": str(error)}
    return work(folder)


def measure_own(log_size: int) -> dict[str, Any]:
    """The same use here: a batch of Poseidon permutations, Keccak trees, every core."""
    from benchmarks.prover_bench import PRESETS_BY_TREES
    from benchmarks.prover_bench import measure as measure_prover
    from prover.field.threads import default_threads

    result = measure_prover("poseidon-batch", log_size, PRESETS_BY_TREES["keccak"], default_threads(), 3)
    rate = result["permutations_per_second"]
    names = ("log_size", "parameters", "seconds_total", "verify_seconds", "proof_bytes", "threads")
    return {name: result[name] for name in names} | {"hashes_per_second": rate, "seconds_per_hash": 1 / rate}


def measure(
    hashes: int = 16,
    seconds: float = 60,
    own_log_size: int = 17,
    *,
    show: Callable[[str, float], None] = lambda _stage, _fraction: None,
) -> dict[str, Any]:
    """Both provers on this machine, or why the peer could not be measured."""
    from benchmarks.machine import describe

    # On a machine that is shared, all figures are the lower for what else runs.
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    peer = measure_hashes(seconds, hashes, show=show)
    if "skipped" in peer:
        return peer
    signatures = measure_signatures(seconds, show=show)
    show("this prover", 0.0)
    own = measure_own(own_log_size)
    return {
        "peer": peer,
        "peer_signatures": signatures,
        "own": own,
        "hashes_per_second_over_peer": own["hashes_per_second"] / peer["hashes_per_second"],
        "statement": STATEMENT,
        "load_average_before": load,
        "machine": asdict(describe()),
    }


@click.command()
@click.option(
    "--hashes",
    default=16,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Hashes in a proof of the peer; its set-up grows with them.",
)
@click.option(
    "--seconds", default=60.0, show_default=True, type=click.FloatRange(1, 3600), help="How long it proves."
)
@click.option(
    "--log-size", default=17, show_default=True, type=click.IntRange(0, 22), help="log2 of the hashes here."
)
@json_option
def command(hashes: int, seconds: float, log_size: int, as_json: bool) -> None:
    """Prove two-to-one hashes with circom 2 and snarkjs and compare the time a hash; then signature checks.

    What signatures cost here is a part of `bench batch`, which compares them.

    npm installs them once, in this user's cache folder. Where it is missing or cannot reach them, nothing is
    measured, the reason is printed and the exit code is 0.

    \b
    Examples:
      clearing bench peers
      clearing bench peers --seconds 20 --hashes 32 --json
    """  # noqa: D301 - the backspace is click's own mark for a paragraph that is not rewrapped
    with progress_on_stderr() as show:
        result = measure(hashes, seconds, log_size, show=show)
    if as_json:
        print_json(result)
        return
    for line in describe_result(result):
        click.echo(line)


def describe_result(result: dict[str, Any]) -> list[str]:
    """The comparison, one figure a line."""
    if "skipped" in result:
        return [f"skipped: {result['skipped']}"]
    peer, own, versions = result["peer"], result["own"], result["peer"]["versions"]
    low, high = peer["seconds_per_proof_spread"]
    shape = f"{peer['constraints']:,} constraints for {peer['hashes_per_proof']} hashes"
    return [
        f"circom {versions['circom']} and snarkjs {versions['snarkjs']} on node {versions['node']}, {shape}",
        f"  set-up           {peer['setup_seconds']:.1f} s, once for a circuit",
        f"  compiled in      {peer['compile_seconds']:.1f} s",
        f"  a proof          {peer['seconds_per_proof']:.3f} s (median of {peer['proofs']}, {low:.3f} to {high:.3f})",
        f"  a hash           {1e3 * peer['seconds_per_hash']:.3f} ms",
        f"  hashes a second  {peer['hashes_per_second']:,.1f}",
        f"  proof            {peer['proof_bytes']} bytes, uncompressed; verified in {peer['verify_seconds']:.3f} s",
        *describe_signatures(result.get("peer_signatures", {"skipped": "not asked for"})),
        f"this prover, 2^{own['log_size']} hashes, {own['parameters']}, {own['threads']} threads",
        f"  a hash           {1e3 * own['seconds_per_hash']:.6f} ms",
        f"  hashes a second  {own['hashes_per_second']:,.0f}",
        f"  proof            {own['proof_bytes']:,} bytes; verified in {own['verify_seconds']:.3f} s",
        f"times as many hashes a second: {result['hashes_per_second_over_peer']:,.0f}",
        STATEMENT,
    ]


def describe_signatures(peer: dict[str, Any]) -> list[str]:
    """What the peer needs for a signature, one figure a line."""
    if "skipped" in peer:
        return [f"signatures of circom and snarkjs skipped: {peer['skipped']}"]
    count, versions = peer["signatures_per_proof"], peer["versions"]
    low, high = peer["seconds_per_proof_spread"]
    tools = f"circom {versions['circom']} and snarkjs {versions['snarkjs']}"
    spread = f"median of {peer['proofs']}, {low:.3f} to {high:.3f}"
    return [
        f"EdDSA with {tools}, {peer['constraints']:,} constraints for {count} signatures",
        f"  set-up           {peer['setup_seconds']:.1f} s, once for a circuit",
        f"  a proof          {peer['seconds_per_proof']:.3f} s ({spread})",
        f"  signatures a second {peer['signatures_per_second']:,.2f}",
    ]
