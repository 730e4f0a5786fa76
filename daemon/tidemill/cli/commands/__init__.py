"""One verb one file. Each module has ``command``; nothing else is asked of it, and no command calls another."""
