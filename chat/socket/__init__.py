"""`/ws`: conversations as they happen, over one WebSocket for as long as a client likes."""
