"""Prompts that run by time: jobs, their schedules, and the runs that come of them."""
