from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('instances', '0002_when_started_and_given_up'),
    ]

    operations = [
        migrations.AddField(
            model_name='instance',
            name='place',
            field=models.CharField(blank=True, default='', max_length=16),
        ),
    ]
