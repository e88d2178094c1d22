"""The verifier as a circuit: what `verify` does to a proof is recorded once, and fixed tables prove it."""
