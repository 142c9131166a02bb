from django.db import migrations, models


class Migration(migrations.Migration):
    """SQLite does not use an index whose condition a query only implies."""

    dependencies = [("chat", "0006_service_lease")]

    operations = [
        migrations.RemoveIndex(model_name="cronrun", name="cron_run_open"),
        migrations.RemoveIndex(model_name="cronrun", name="cron_run_run"),
        migrations.RemoveIndex(model_name="exchange", name="exchange_open"),
        migrations.RemoveIndex(model_name="exchange", name="exchange_run"),
        migrations.AddIndex(
            model_name="cronrun",
            index=models.Index(
                fields=["job"], name="cron_run_running", condition=models.Q(status="running")
            ),
        ),
        migrations.AddIndex(
            model_name="cronrun",
            index=models.Index(
                fields=["due_at", "attempt"],
                name="cron_run_waiting",
                condition=models.Q(status="pending"),
            ),
        ),
        migrations.AddIndex(
            model_name="exchange",
            index=models.Index(
                fields=["session"],
                name="exchange_under_way",
                condition=models.Q(status="running"),
            ),
        ),
        migrations.AddIndex(
            model_name="exchange",
            index=models.Index(fields=["run_id", "id"], name="exchange_run"),
        ),
    ]
