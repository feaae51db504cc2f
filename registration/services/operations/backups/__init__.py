"""Backups: one SQLite file of all that is committed, and a database made from such a file."""
