from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_initial")]

    operations = [
        migrations.AlterField(
            model_name="exchange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("message", "Message"),
                    ("response", "Response"),
                    ("injected", "Injected"),
                    ("compaction", "Compaction"),
                ],
                default="message",
                max_length=10,
            ),
        ),
    ]
