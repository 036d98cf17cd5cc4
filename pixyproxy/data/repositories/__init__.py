"""Rows: models become dictionaries here, and come back from them."""
