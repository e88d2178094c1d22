"""Statements about values that are no polynomials: columns, fill and constrain of each in one class."""
