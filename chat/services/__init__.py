"""What changes conversations: one verb per function, each in its own transaction."""
