"""Settings that are changed while the program runs, their history, and the secrets beside them."""

from django.db import models


class SettingGroup(models.Model):
    """What somebody has set of one group of settings. What is not in `values` is the default."""

    # See chat.live_settings.groups; `file` keeps what the settings file said (live_settings.file).
    name = models.CharField(primary_key=True, max_length=40)
    values = models.JSONField(default=dict)
    # Moves with every change of any kind: processes compare it to know that they are up to date.
    revision = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=200, blank=True, default="")

    def __str__(self) -> str:
        return self.name


class SettingChange(models.Model):
    """One value that changed, and who did it. Secrets are never in here."""

    group = models.CharField(max_length=40)
    field = models.CharField(max_length=60)
    before = models.JSONField(null=True, blank=True)  # null: what lies beneath counted
    after = models.JSONField(null=True, blank=True)  # null: what lies beneath counts again
    actor = models.CharField(max_length=200)
    changed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            # The history of a group, newest first.
            models.Index(fields=["group", "-id"], name="setting_change_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.group}.{self.field}"


class Secret(models.Model):
    """A credential entered into the program: encrypted, replaced or removed, never shown."""

    name = models.CharField(primary_key=True, max_length=60)  # TELEGRAM_BOT_TOKEN, OPENAI_API_KEY
    ciphertext = models.BinaryField()  # Fernet, with a key derived from SECRET_KEY
    hint = models.CharField(max_length=4, blank=True, default="")  # its last characters
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=200, blank=True, default="")

    def __str__(self) -> str:
        return self.name
