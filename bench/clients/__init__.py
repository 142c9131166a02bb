"""Load generators and subscribers, in processes that are not the server's."""
