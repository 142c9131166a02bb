"""`GET /api/settings/costs`: what was spent in a period."""

from typing import ClassVar

from django.http import HttpResponse
from django.utils import timezone

from accounts import capabilities
from chat.api.base import ApiRequest, SettingsView, json_response
from chat.api.schema_costs import describe_costs
from chat.costs.report import DEFAULT_PERIOD, PERIODS, costs_of
from chat.errors import OutOfRange


@describe_costs
class CostsView(SettingsView):
    capabilities: ClassVar = {"GET": capabilities.SETTINGS_MANAGE}

    def get(self, request: ApiRequest) -> HttpResponse:
        period = request.GET.get("period", DEFAULT_PERIOD)
        if period not in PERIODS:
            raise OutOfRange(f"period must be one of {', '.join(PERIODS)}", field="period")
        return json_response(costs_of(period, now=timezone.now()))
