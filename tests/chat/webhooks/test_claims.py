"""Who sends what: each delivery one process at a time, and no endpoint holds up another."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks.claims import AT_ONCE, PER_ENDPOINT, claim_due, void_claims_of
from tests.chat.webhooks.office import Office
from tests.chat.webhooks.receiver import unused_url

URL = unused_url()
PROCESSES = 4


@pytest.mark.django_db(transaction=True)
def test_of_several_processes_one_gets_each_delivery(office: Office):
    for endpoint in [office.make(URL).endpoint for _ in range(10)]:
        for _ in range(PER_ENDPOINT):
            office.test(endpoint)
    together = Barrier(PROCESSES)

    def claim(number: int) -> list[str]:
        together.wait()
        letters = claim_due(f"process{number}", timezone.now(), {})
        connections.close_all()
        return [letter.delivery_id for letter in letters]

    with ThreadPoolExecutor(PROCESSES) as pool:
        claimed = [pk for found in pool.map(claim, range(PROCESSES)) for pk in found]

    assert len(claimed) == len(set(claimed)) == 10 * PER_ENDPOINT


@pytest.mark.django_db
def test_a_backlog_of_one_endpoint_leaves_the_others_their_turn(office: Office):
    busy, failing, other = (office.make(URL).endpoint for _ in range(3))
    WebhookEndpoint.objects.filter(pk=failing.pk).update(consecutive_failures=3)
    for endpoint in [busy] * 20 + [failing] * 5 + [other]:
        office.test(endpoint)

    first = Counter(letter.endpoint_id for letter in claim_due("me", timezone.now(), {}))
    second = claim_due("me", timezone.now(), first)

    assert first == {busy.pk: PER_ENDPOINT, failing.pk: 1, other.pk: 1}
    assert second == []


@pytest.mark.django_db
def test_no_more_is_taken_than_there_is_room_for(office: Office):
    endpoint = office.make(URL).endpoint
    office.test(endpoint)

    assert claim_due("me", timezone.now(), {"others": AT_ONCE}) == []
    assert len(claim_due("me", timezone.now(), {"others": AT_ONCE - 1})) == 1


@pytest.mark.django_db
def test_what_a_dead_process_had_under_way_is_taken_again(office: Office):
    delivery = office.test(office.make(URL).endpoint)
    claim_due("dead", timezone.now(), {})

    meanwhile = claim_due("other", timezone.now(), {})
    later = claim_due("other", timezone.now() + timedelta(seconds=31), {})

    assert meanwhile == []
    assert [letter.delivery_id for letter in later] == [delivery.pk]


@pytest.mark.django_db
def test_a_process_that_is_back_need_not_wait_for_its_own_claims(office: Office):
    delivery = office.test(office.make(URL).endpoint)
    claim_due("host:serve:one", timezone.now(), {})

    assert void_claims_of("host:serve:on", timezone.now()) == 0
    assert void_claims_of("host:serve:one", timezone.now()) == 1
    assert WebhookDelivery.objects.get(pk=delivery.pk).claim == ""
