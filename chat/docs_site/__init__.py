"""`/docs`: the pages of this project's documentation, rendered and searchable."""
