"""`GET /v1/audit`: who was let in, who was turned away, who changed what."""

from typing import ClassVar

from django.http import HttpResponse

from accounts import capabilities
from accounts.audit.reading import AuditFilter, list_records
from runs.graph_api.requests import AuditQuery, read_query
from runs.graph_api.schema import describe_audit
from runs.graph_api.views import GraphView
from runs.surface import ApiRequest, json_bytes_response


@describe_audit
class AuditView(GraphView):
    capabilities: ClassVar = {"GET": capabilities.AUDIT_READ}

    def get(self, request: ApiRequest) -> HttpResponse:
        query = read_query(request, AuditQuery)
        wanted = AuditFilter(query.kind, query.actor, query.run_id, query.since, query.until)
        records, total = list_records(wanted, limit=query.limit, offset=query.offset)
        # Each record is shown in the very bytes that its hash covers.
        return json_bytes_response(
            b'{"items":[%b],"total":%d,"limit":%d,"offset":%d,"cursor":null}'
            % (",".join(records).encode(), total, query.limit, query.offset)
        )
