"""The low-degree test: folding, and the checks of one query."""
