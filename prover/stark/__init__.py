"""Proofs about a set of tables: the key, the messages, the prover and the verifier."""
