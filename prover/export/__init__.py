"""What leaves the prover for other verifiers: a circuit's description for the contract, and proofs as it reads them."""
