"""The clock of cron jobs of this process; it runs where `project.serve.services` starts it."""

from project.lib.alarm_clock import AlarmClock

#: Jobs, settings and documents are changed by other processes, too, and runs end in them.
REREAD_SECONDS = 1.0

clock = AlarmClock(reread_seconds=REREAD_SECONDS)
