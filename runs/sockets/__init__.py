"""What the WebSockets of all APIs share: a connection's life, its outbox, those that are open."""
