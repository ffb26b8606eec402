"""What is kept in Redis: how it is named, encrypted, read, written and erased, each turn in one atomic call."""
