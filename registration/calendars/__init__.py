"""Pure functions that turn a discussion into iCalendar, JSON-LD and links to web calendars."""
