"""What is measured inside a process of its own, with Django and a data folder of its own."""
