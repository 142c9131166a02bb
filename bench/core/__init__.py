"""What the figures share: servers and processes to measure in, clients, numbers, reports."""
