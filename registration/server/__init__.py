"""The server of `flask serve`: waitress, the mail worker's thread and systemd's watchdog."""
