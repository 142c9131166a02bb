"""The clock of outgoing webhooks; it runs where `project.serve.services` starts a courier."""

from project.lib.alarm_clock import AlarmClock

#: Other processes put messages into the outbox, too.
REREAD_SECONDS = 1.0

clock = AlarmClock(reread_seconds=REREAD_SECONDS)
