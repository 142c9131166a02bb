"""The Telegram bot: people write to it, and runs answer."""
