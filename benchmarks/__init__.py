"""Measurements that anyone can repeat, one file a command."""

from cli import LazyCommand

COMMANDS = {
    "machine": LazyCommand(
        "benchmarks.machine:command", "Describe the machine that every result is kept with."
    ),
    "prover": LazyCommand("benchmarks.prover_bench:command", "Prove a workload end to end and verify it."),
    "scaling": LazyCommand("benchmarks.scaling_bench:command", "Compare the time a cell as tables grow."),
    "first-proof": LazyCommand(
        "benchmarks.first_proof_bench:command", "Time the first proof, without and with kernels on disk."
    ),
    "kernels": LazyCommand("benchmarks.kernels_bench:command", "Time every kernel beside its floor."),
    "peers": LazyCommand(
        "benchmarks.peers_bench:command",
        "Prove two-to-one hashes with circom 2 and snarkjs and compare the time a hash.",
    ),
    "all": LazyCommand("benchmarks.all_bench:command", "Measure everything and write the results and plots."),
}
"""The commands of `clearing bench`, by name: a new benchmark is a file here and a line in this table."""
