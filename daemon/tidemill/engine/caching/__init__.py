"""What tasks computed before, and what several did together: recalled, kept, committed and undone.

Imported only where a task is cached or stands in a transaction.
"""
