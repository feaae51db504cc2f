"""The use cases, one function each: a Transaction first, its subject after it; none commits."""
