"""States, table by table, that what the rollup says is what happened."""
