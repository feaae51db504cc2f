"""The organizer's desk, below /organizer/: a file a subject, each with its blueprint."""
