"""What lets Ethereum hold the money and check the proof."""
