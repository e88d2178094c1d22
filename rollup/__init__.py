"""What clearing means: state, transactions, margin and batches of an options clearing house."""
