"""The hashes: Poseidon, Keccak-256, and the suites that trees and transcripts are built on."""
