"""Measurements that anyone can repeat, one file a command."""

from cli import LazyCommand

COMMANDS = {
    "machine": LazyCommand(
        "benchmarks.machine:command", "Describe the machine that every result is kept with."
    ),
    "prover": LazyCommand(
        "benchmarks.prover_bench:command",
        "Prove a workload end to end (fill, commit, prove) and verify it in a fresh process without numba.",
    ),
    "scaling": LazyCommand(
        "benchmarks.scaling_bench:command",
        "Prove Poseidon tables of growing height and compare the time a cell.",
    ),
    "first-proof": LazyCommand(
        "benchmarks.first_proof_bench:command",
        "Start a process and make a proof of 2^10 hashes, with an empty kernel cache and with a full one.",
    ),
    "kernels": LazyCommand(
        "benchmarks.kernels_bench:command", "Time the kernels: field, transforms, hashes, constraints."
    ),
    "peers": LazyCommand(
        "benchmarks.peers_bench:command",
        "Prove two-to-one hashes with circom 2 and snarkjs and compare the time a hash; then signature checks.",
    ),
    "batch": LazyCommand(
        "benchmarks.batch_bench:command",
        "Prove a clearing batch end to end, and verify it in a fresh process without numba.",
    ),
    "recursion": LazyCommand(
        "benchmarks.recursion_bench:command",
        "Prove a batch or an example, then that its proof verifies, down to the terminal proof for a contract.",
    ),
    "pipeline": LazyCommand(
        "benchmarks.pipeline_bench:command",
        "Measure every arrow from a batch to paid money: seconds, bytes and gas, on the demonstration.",
    ),
    "clearing": LazyCommand(
        "benchmarks.clearing_bench:command",
        "Measure admission, clearing, the state tree, acknowledgements over HTTP and restart.",
    ),
    "kill-run": LazyCommand(
        "benchmarks.clearing_kill_run:command",
        "Kill a node with SIGKILL at random instants under load, and look for what it acknowledged.",
    ),
    "all": LazyCommand(
        "benchmarks.all_bench:command",
        "Run every benchmark of the prover, keep the results as JSON and draw the plots.",
    ),
}
"""The commands of `clearing bench`, by name: a new benchmark is a file here and a line in this table."""
