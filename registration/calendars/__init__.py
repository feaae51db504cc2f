"""A discussion as iCalendar, JSON-LD and calendar links: pure functions."""
