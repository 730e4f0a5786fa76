"""What tasks have computed before, by key: records, the locks of those who are at it, and their sweeping.

A record says where a value is kept and never holds more of it than the history would; who reads the value is the
engine. May import domain, journal, config and limits; never unpickles anything, so the daemon and the command line
may sweep. Imported by runs whose tasks are cached, and by whoever sweeps.
"""
