"""The node: everything that has input and output, around rules that have none."""
