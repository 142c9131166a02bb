"""Which process does what only one may do."""

from django.db import models


class ServiceLease(models.Model):
    """A service of which one process at a time has the turn, until its lease runs out."""

    name = models.CharField(primary_key=True, max_length=40)
    owner = models.CharField(max_length=36)  # of the process, made anew at each start
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} of {self.owner}"
