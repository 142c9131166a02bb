"""The clock of cron triggers of this process; it runs where `project.serve.services` starts it."""

from project.lib.alarm_clock import AlarmClock

#: How soon a trigger is noticed that another process has changed.
REREAD_SECONDS = 30.0

clock = AlarmClock(reread_seconds=REREAD_SECONDS)
