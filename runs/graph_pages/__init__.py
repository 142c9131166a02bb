"""Graphs as people see them: drawings, and the pages of the admin."""
