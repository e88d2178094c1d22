"""The septic group: the elliptic curve of the trading keys, its arithmetic and the chain that verifies a signature."""
