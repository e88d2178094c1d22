"""The clearing house on the command line, one file a command; `cli.py` knows them by name."""
