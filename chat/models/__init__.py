"""Rows of the chat app, a file for each room."""

from chat.models.costs import SpendingLimit, UsageRow
from chat.models.cron import CronJob, CronRun
from chat.models.leases import ServiceLease
from chat.models.memory import DailyEntry, MemoryChunk, MemoryDocument
from chat.models.sessions import Exchange, Message, Session
from chat.models.settings import Secret, SettingChange, SettingGroup
from chat.models.telegram import TelegramLink, TelegramReply
from chat.models.webhooks import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookMark,
    WebhookMessage,
)

__all__ = [
    "CronJob",
    "CronRun",
    "DailyEntry",
    "Exchange",
    "MemoryChunk",
    "MemoryDocument",
    "Message",
    "Secret",
    "ServiceLease",
    "Session",
    "SettingChange",
    "SettingGroup",
    "SpendingLimit",
    "TelegramLink",
    "TelegramReply",
    "UsageRow",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookMark",
    "WebhookMessage",
]
