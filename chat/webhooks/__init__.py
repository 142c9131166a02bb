"""Outgoing webhooks: who asked for it is told of what happens, in the Standard Webhooks format."""
