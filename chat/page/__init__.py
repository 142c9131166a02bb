"""The page at `/`: sessions, a conversation, and a place to write."""
