"""The gateway's HTTP API: `/api/…` as Starpod's clients know it."""
