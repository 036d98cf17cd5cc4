"""Rows in a database, bytes in a folder."""
