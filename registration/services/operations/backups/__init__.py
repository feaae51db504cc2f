"""Makes and restores backups: single SQLite files of everything that is committed."""
