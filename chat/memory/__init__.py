"""What the assistant remembers: documents per owner, found again by search."""
