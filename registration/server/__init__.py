"""The server of `flask serve`: waitress, with its mail worker and watchdog."""
