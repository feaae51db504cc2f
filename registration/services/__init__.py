"""The use cases, one function each: a session first, `now` by keyword, never a commit."""
