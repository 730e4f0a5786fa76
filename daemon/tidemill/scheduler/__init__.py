"""When flows are due: APScheduler as the clock, and the judgement of what becomes of each moment.

APScheduler lives and ends here. It decides *when*; what is due, in what order and what follows from it
is ours, because its own cron, misfire and overlap rules lose moments.
"""
