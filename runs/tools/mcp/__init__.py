"""Tools of MCP servers: configured, connected, called and recorded."""
