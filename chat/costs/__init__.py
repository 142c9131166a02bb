"""What runs cost: the accounts kept of them, reports, and limits."""
