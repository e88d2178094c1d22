"""A STARK prover and verifier for any set of tables."""
