"""The inspector: pages on which people read runs. It reads logs and changes nothing."""
