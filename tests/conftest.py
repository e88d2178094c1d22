"""How the tests run: which ones, with how many random examples, and what the run says at its end."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from prover.memory import keep_freed_memory

ROOT = Path(__file__).resolve().parent.parent

LONG = os.environ.get("CLEARING_LONG_TESTS") == "1"
"""Set by `make test-long`."""

UNDER_CI = os.environ.get("CI") == "true"

LONGEST_FIRST = (
    "architecture/test_tools.py",
    "verifier_contracts/test_gas.py",
    "verifier_contracts/test_vault_invariants.py",
    "adversarial/test_signatures_bind.py",
    "circuits/test_sponge_calls.py",
    "prover/recursion/test_recursion.py",
    "benchmarks/test_examples.py",
    "cli/test_clearing_commands.py",
    "cli/test_exit_command.py",
    "rollup/node/test_demo.py",
    "verifier_contracts/test_stark_verifier_weakened.py",
    "verifier_contracts/test_proving.py",
    "circuits/test_queue_items.py",
    "circuits/test_signature_circuit.py",
    "prover/field/test_simd.py",
    "rollup/test_histories.py",
    "cli/test_governor_commands.py",
    "circuits/test_extreme_batches.py",
    "rollup/node/test_bridge_proofs.py",
    "rollup/node/test_kill.py",
    "circuits/test_random_histories.py",
    "verifier_contracts/test_exit_last_coin.py",
)
"""Files are shared out whole, so a long one that begins last keeps one process busy while the others wait."""

UNMEASURED = (
    "adversarial/test_batch_",
    "adversarial/test_constraints_bind.py",
    "adversarial/test_deletions.py",
    "adversarial/test_encoding_is_strict.py::test_every_byte",
    "adversarial/test_encoding_is_strict.py::test_every_truncation",
    "adversarial/test_key_multiples_bind.py",
    "adversarial/test_pinned_identities.py",
    "adversarial/test_recursion_binds.py",
    "adversarial/test_signatures_bind.py",
    "adversarial/test_trees_bind.py",
    "benchmarks/test_examples.py",
    "circuits/test_extreme_batches.py",
    "circuits/test_random_histories.py",
    "circuits/test_sponge_calls.py",
    "prover/curve/test_comb.py",
    "prover/curve/test_septic.py",
    "prover/field/test_simd.py",
    "prover/recursion/test_recursion.py::test_another_statement",
    "prover/recursion/test_recursion.py::test_slots_behind",
    "prover/recursion/test_recursion.py::test_the_tables_hold",
    "prover/stark/test_prove_and_verify.py",
    "rollup/node/test_kill.py",
    "rollup/test_histories.py",
    "verifier_contracts/test_batch_data.py",
    "verifier_contracts/test_claims.py",
    "verifier_contracts/test_exit_last_coin.py",
    "verifier_contracts/test_gas.py::test_no_transaction_passes",
    "verifier_contracts/test_governance.py",
    "verifier_contracts/test_proving.py",
    "verifier_contracts/test_settlement_prices.py",
    "verifier_contracts/test_stark_verifier_refusals.py",
    "verifier_contracts/test_stark_verifier_weakened.py",
    "verifier_contracts/test_vault_invariants.py",
)
"""Beginnings of the names of tests that run without the tracer, which doubles and triples what they take.

What they reach counts for nothing, so the rest has to reach the limit alone.
"""

# The first call of a kernel compiles it, so no deadline can be right.
# The default profile draws the same examples every time: a gate must not fail by chance on another's change.
settings.register_profile("gate", deadline=None, max_examples=50, derandomize=True, database=None)
settings.register_profile(
    "long", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("long" if LONG else "gate")


# Proofs of one process after the other: what the first one freed serves the next.
keep_freed_memory()


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder that holds the project."""
    return ROOT


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest files, and leave long tests out of a short run: those are shown as `deselected`."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    if LONG:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Take the tracer off for tests that need none.

    The marker `no_cover` would not do it: in the processes that share the tests a second tracer waits below the first.
    """
    if not item.nodeid.removeprefix("tests/").startswith(UNMEASURED):
        return (yield)
    tracer, tracer_of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        threading.settrace(tracer_of_threads)
        sys.settrace(tracer)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Report the size of each room after a run of all tests."""
    if config.args == config.getini("testpaths"):
        terminalreporter.section("size of the rooms")
        for line in size_report(ROOT):
            terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI a skipped test is a failure: a gate that skips what it lacks guards nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if UNDER_CI and reporter is not None and reporter.stats.get("skipped") and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def size_report(root: Path) -> list[str]:
    """List files, lines and the median and longest file of each room."""
    report = [f"{'room':<20} {'files':>6} {'lines':>7} {'median':>7}  longest"]
    for room in ("prover", "rollup", "circuits", "verifier_contracts", "benchmarks", "tests", "cli.py"):
        path = root / room
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        lengths = sorted((len(file.read_text(encoding="utf-8").splitlines()), file) for file in files)
        if lengths:
            longest, name = lengths[-1]
            total, median = sum(length for length, _ in lengths), lengths[len(lengths) // 2][0]
            report.append(
                f"{room:<20} {len(lengths):>6} {total:>7} {median:>7}  {longest} {name.relative_to(root)}"
            )
    return report
