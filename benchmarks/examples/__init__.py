"""Circuits that exercise the proof engine: they serve the demo, the benchmarks and the tests."""
