"""The septic group: the elliptic curve of the trading keys, its arithmetic and the comb that verifies a signature."""
