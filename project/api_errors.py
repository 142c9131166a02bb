"""What a refusal looks like on the wire: one table of errors, a form for each API, nothing leaked.

`REFUSALS` maps each error of ours to a status and a stable code. `/v1` says `{"detail": …}` and
lists invalid fields with their location, `/openai` sends an object as OpenAI's clients read it,
everything else says `{"error": "<one line>"}`. The code travels in the `X-Error-Code` header, so
that bodies stay exactly what existing clients expect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import set_rollback

from accounts import errors as accounts
from accounts.authentication import challenge_of
from chat import errors as chat
from chat.page.views import chat_page, is_page_path
from instances import errors as instances
from project import json_api
from runs import errors as runs


@dataclass(frozen=True)
class Refusal:
    status: int
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Whether clients of `/v1` read the code in the body, instead of a sentence.
    is_told_by_code: bool = False


_RETRY_SOON = {"Retry-After": "1"}

#: Errors of ours whose message a client may read. What is not here is a 500 without details.
REFUSALS: dict[type[Exception], Refusal] = {
    accounts.MissingCredential: Refusal(401, "missing_api_key"),
    accounts.MissingBearer: Refusal(401, "missing_bearer"),
    accounts.MissingClientCertificate: Refusal(401, "missing_client_cert"),
    accounts.InvalidCredential: Refusal(401, "invalid_api_key"),
    accounts.InvalidToken: Refusal(401, "invalid_token"),
    accounts.ExpiredToken: Refusal(401, "expired_token"),
    accounts.InvalidAudience: Refusal(401, "invalid_audience"),
    accounts.InvalidClientCertificate: Refusal(401, "invalid_client_cert"),
    accounts.InsecureTransport: Refusal(403, "tls_required"),
    accounts.CrossSiteRequest: Refusal(403, "csrf_failed"),
    accounts.CapabilityDenied: Refusal(403, "capability_denied"),
    accounts.UserNotFound: Refusal(404, "user_not_found"),
    accounts.ApiKeyNotFound: Refusal(404, "api_key_not_found"),
    accounts.AmbiguousPrefix: Refusal(409, "ambiguous_prefix"),
    accounts.EmailTaken: Refusal(409, "email_taken"),
    accounts.LastAdmin: Refusal(409, "last_admin"),
    accounts.BeyondYourRights: Refusal(403, "beyond_your_rights"),
    accounts.UsersExist: Refusal(409, "users_exist"),
    accounts.InvalidValue: Refusal(400, "invalid_input"),
    accounts.TooManyAttempts: Refusal(429, "too_many_attempts", _RETRY_SOON),
    accounts.RateLimited: Refusal(429, "rate_limit_exceeded", _RETRY_SOON, is_told_by_code=True),
    accounts.CounterfactualLimited: Refusal(
        429, "counterfactual_rate_limit_exceeded", _RETRY_SOON, is_told_by_code=True
    ),
    accounts.CredentialStoreUnavailable: Refusal(503, "credential_store_unavailable", _RETRY_SOON),
    accounts.AuditUnavailable: Refusal(503, "audit_unavailable", _RETRY_SOON),
    runs.RunNotFound: Refusal(404, "run_not_found"),
    runs.ArtifactNotFound: Refusal(404, "artifact_not_found"),
    runs.GraphNotFound: Refusal(404, "graph_not_found"),
    runs.ModelNotFound: Refusal(400, "model_not_found"),
    runs.InvalidInput: Refusal(400, "invalid_input"),
    runs.InvalidRequest: Refusal(422, "invalid_request"),
    runs.RunAlreadyFinished: Refusal(409, "run_already_finished"),
    runs.RunNotWaiting: Refusal(409, "run_not_waiting"),
    runs.DeadlinePassed: Refusal(409, "deadline_passed"),
    runs.RunNotPausable: Refusal(409, "run_not_pausable"),
    runs.RunNotPaused: Refusal(409, "run_not_paused"),
    runs.NoCheckpoint: Refusal(409, "no_checkpoint"),
    runs.ResourceNotFound: Refusal(404, "not_found"),
    runs.MutationRefused: Refusal(409, "mutation_refused"),
    runs.RunNotFinished: Refusal(409, "run_not_finished"),
    runs.IdempotencyConflict: Refusal(409, "idempotency_conflict"),
    runs.SpendingLimitReached: Refusal(429, "spending_limit_reached"),
    runs.QueueFull: Refusal(503, "queue_full", _RETRY_SOON),
    runs.ShuttingDown: Refusal(503, "shutting_down", _RETRY_SOON),
    runs.TriggerNotFound: Refusal(404, "trigger_not_found"),
    runs.TriggerDisabled: Refusal(409, "trigger_disabled"),
    runs.BodyNotKept: Refusal(409, "body_not_kept"),
    chat.MalformedBody: Refusal(400, "malformed_body"),
    chat.UnsupportedMediaType: Refusal(415, "unsupported_media_type"),
    chat.InvalidBody: Refusal(422, "invalid_body"),
    chat.OutOfRange: Refusal(400, "out_of_range"),
    chat.TooLarge: Refusal(413, "too_large"),
    chat.ChangedMeanwhile: Refusal(409, "changed_meanwhile"),
    chat.AdminOnly: Refusal(403, "admin_only"),
    chat.CannotDeactivateYourself: Refusal(400, "cannot_deactivate_yourself"),
    chat.TelegramAccountUnnamed: Refusal(400, "telegram_account_unnamed"),
    chat.TelegramAccountTaken: Refusal(409, "telegram_account_taken"),
    chat.TargetInvalid: Refusal(400, "target_invalid"),
    chat.TargetForbidden: Refusal(403, "target_forbidden"),
    chat.SessionNotFound: Refusal(404, "session_not_found"),
    chat.DocumentNotFound: Refusal(404, "document_not_found"),
    chat.ModelNotAllowed: Refusal(400, "model_not_allowed"),
    chat.ModelWithoutProvider: Refusal(503, "model_without_provider"),
    chat.OverLimit: Refusal(429, "spending_limit_reached"),
    chat.NotTakenUp: Refusal(503, "not_taken_up", _RETRY_SOON),
    chat.ProviderFailed: Refusal(502, "provider_failed"),
    chat.ProviderBusy: Refusal(503, "provider_busy", _RETRY_SOON),
    chat.ProviderTimedOut: Refusal(504, "provider_timed_out"),
    chat.CompletionRefused: Refusal(400, "invalid_request"),
    chat.NoSuchModel: Refusal(404, "model_not_found"),
    chat.RunWasCancelled: Refusal(409, "run_cancelled"),
    chat.IdempotencyConflict: Refusal(409, "idempotency_conflict"),
    chat.CronJobNotFound: Refusal(404, "cron_job_not_found"),
    chat.CronJobNameTaken: Refusal(409, "cron_job_name_taken"),
    chat.CronJobReserved: Refusal(400, "cron_job_reserved"),
    chat.CronJobUnderWay: Refusal(409, "cron_job_under_way"),
    chat.TooManyLogs: Refusal(429, "too_many_logs", _RETRY_SOON),
    chat.NotYourJob: Refusal(403, "not_your_job"),
    chat.WebhookNotFound: Refusal(404, "webhook_not_found"),
    chat.WebhookDeliveryNotFound: Refusal(404, "webhook_delivery_not_found"),
    chat.WebhookDisabled: Refusal(409, "webhook_disabled"),
    instances.NotConfigured: Refusal(503, "instances_not_configured"),
    instances.InstanceNotFound: Refusal(404, "instance_not_found"),
    instances.AmbiguousInstance: Refusal(409, "ambiguous_instance"),
    instances.RequestRefused: Refusal(400, "instance_request_refused"),  # or 409, 422: its own
    instances.BackendFailed: Refusal(502, "instance_backend_failed"),
    instances.BackendBusy: Refusal(503, "instance_backend_busy"),
    instances.BackendTimedOut: Refusal(504, "instance_backend_timed_out"),
    instances.NotSupported: Refusal(501, "not_supported"),
}

_INTERNAL = Refusal(500, "internal_error")


def is_graph_dialect(request: HttpRequest) -> bool:
    return request.path_info.startswith(("/v1/", "/hooks/")) or request.path_info == "/v1"


def is_openai_dialect(request: HttpRequest) -> bool:
    return request.path_info.startswith("/openai/") or request.path_info == "/openai"


def response_to(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The answer to an error of ours, or `None` when it is not one a client may read about."""
    refusal = refusal_of(request, error)
    if refusal is None:
        return None
    status, body = _status_and_body(request, refusal, error)
    response = HttpResponse(
        json_api.dumps(body),
        content_type="application/json",
        status=status,
        headers=refusal.headers,
    )
    response.headers["X-Error-Code"] = refusal.code
    return response


def refusal_of(request: HttpRequest, error: Exception) -> Refusal | None:
    for kind in type(error).__mro__:
        if kind in REFUSALS:
            refusal = REFUSALS[kind]
            if isinstance(error, accounts.AuthenticationError):
                challenge = challenge_of(error, path=request.path_info)
                return replace(refusal, headers={"WWW-Authenticate": challenge})
            if isinstance(error, instances.RequestRefused):
                return replace(refusal, status=error.status)
            retry_after = getattr(error, "retry_after", None)  # seconds, when the error knows them
            if retry_after is None:
                return refusal
            return replace(refusal, headers={"Retry-After": str(retry_after)})
    return None


def _status_and_body(
    request: HttpRequest, refusal: Refusal, error: Exception
) -> tuple[int, dict[str, Any]]:
    if is_openai_dialect(request):
        code = getattr(error, "code", None) or refusal.code
        field = getattr(error, "field", "") or None
        return refusal.status, openai_error(refusal.status, _one_line(str(error)), code, field)
    if not is_graph_dialect(request):
        return refusal.status, {"error": _one_line(str(error))}
    if isinstance(error, runs.InvalidRequest):
        return 422, {"detail": error.items}
    if refusal.code == "invalid_input":
        location = ["body", *filter(None, [getattr(error, "field", "")])]
        return 422, {"detail": [{"type": "value_error", "loc": location, "msg": str(error)}]}
    # Clients of this dialect read codes in a 401 and, but for limits, sentences in everything else.
    is_code = refusal.status == 401 or refusal.is_told_by_code
    return refusal.status, {"detail": refusal.code if is_code else str(error)}


def openai_error(
    status: int, message: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    if status == 429:
        is_money = code == "spending_limit_reached"
        kind = "insufficient_quota" if is_money else "rate_limit_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _one_line(message: str) -> str:
    return " ".join(message.split())


# --- Errors that DRF views raise --------------------------------------------------------------


def api_exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's `EXCEPTION_HANDLER`. `None` lets the error go on to the server's 500."""
    request: HttpRequest = context["request"]
    answer = _drf_answer(request, error)
    if answer is None:
        return None
    set_rollback()
    status, body, headers, code = answer
    response = Response(body, status=status, headers=dict(headers))
    response.headers["X-Error-Code"] = code
    return response


def _drf_answer(
    request: HttpRequest, error: Exception
) -> tuple[int, dict[str, Any], Mapping[str, str], str] | None:
    refusal = refusal_of(request, error)
    if refusal is not None:
        status, body = _status_and_body(request, refusal, error)
        return status, body, refusal.headers, refusal.code
    if isinstance(error, Http404):
        error = drf.NotFound()
    elif isinstance(error, PermissionDenied):
        error = drf.PermissionDenied()
    if isinstance(error, drf.APIException):
        return _api_exception_answer(request, error)
    return None


def _api_exception_answer(
    request: HttpRequest, error: drf.APIException
) -> tuple[int, dict[str, Any], Mapping[str, str], str]:
    code = _first_code(error)
    headers = _headers_of(error)
    if isinstance(error, (drf.ValidationError, drf.ParseError)):
        if is_graph_dialect(request):
            return 422, {"detail": _located(error)}, headers, code
        return 400, {"error": _one_line(_first_message(error.detail))}, headers, code
    status = error.status_code
    if isinstance(error, (drf.NotFound, drf.MethodNotAllowed)):
        return status, _phrase_body(request, status), headers, code
    message = _one_line(_first_message(error.detail))
    if not is_graph_dialect(request):
        return status, {"error": message}, headers, code
    return status, {"detail": code if status == 401 else message}, headers, code


def _headers_of(error: drf.APIException) -> dict[str, str]:
    headers = {}
    if authenticate := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = authenticate
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, int(wait)))
    return headers


def _first_message(detail: Any, name: str = "") -> str:
    """The first complaint of a validation error, with the field it is about."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        return _first_message(inner, "" if name == "non_field_errors" else str(name))
    if isinstance(detail, list):
        return _first_message(detail[0] if detail else "Invalid input", name)
    return f"{name}: {detail}" if name else str(detail)


def _first_code(error: drf.APIException) -> str:
    codes = error.get_codes()
    while isinstance(codes, (dict, list)):
        codes = next(iter(codes.values() if isinstance(codes, dict) else codes), "invalid")
    return str(codes)


def _located(error: drf.APIException) -> list[dict[str, Any]]:
    if isinstance(error, drf.ParseError):
        return [{"type": "json_invalid", "loc": ["body"], "msg": "JSON decode error", "input": {}}]
    return list(_items(error.detail, ("body",)))


def _items(detail: Any, location: tuple[str | int, ...]) -> list[dict[str, Any]]:
    if isinstance(detail, dict):
        parts = [
            (() if key == "non_field_errors" else (key,), value) for key, value in detail.items()
        ]
        return [item for key, value in parts for item in _items(value, (*location, *key))]
    if isinstance(detail, list):
        return [
            item
            for index, value in enumerate(detail)
            for item in _items(value, (*location, index) if isinstance(value, dict) else location)
        ]
    code = getattr(detail, "code", "invalid")
    if code == "required":
        return [{"type": "missing", "loc": list(location), "msg": "Field required"}]
    return [{"type": code, "loc": list(location), "msg": str(detail)}]


# --- Errors outside views: wired as handler400 … handler500 in project.urls -------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return body_too_large(request)
    reason = "suspicious_request" if isinstance(exception, SuspiciousOperation) else "bad_request"
    return _by_phrase(request, 400, reason)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _by_phrase(request, 403, "permission_denied")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, Resolver404) and is_page_path(request):
        return chat_page(request)  # links into the page of an older client lead to the page
    return _by_phrase(request, 404, "not_found")


def server_error(request: HttpRequest) -> HttpResponse:
    return _by_phrase(request, 500, _INTERNAL.code)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _by_phrase(request, 403, "csrf_failed")


def method_not_allowed(request: HttpRequest, allow: str) -> HttpResponse:
    response = _by_phrase(request, 405, "method_not_allowed")
    response.headers["Allow"] = allow
    return response


def body_too_large(request: HttpRequest) -> HttpResponse:
    response = _by_phrase(request, 413, "body_too_large")
    # The rest of the body is still on its way and nobody will read it.
    response.headers["Connection"] = "close"
    return response


def _by_phrase(request: HttpRequest, status: int, code: str) -> HttpResponse:
    """A refusal that says no more than its status does: a page to a browser, else JSON."""
    if _wants_page(request):
        context = {"status": status, "phrase": _phrase(status)}
        response = render(request, "error.html", context, status=status)
    else:
        response = HttpResponse(
            json_api.dumps(_phrase_body(request, status)),
            content_type="application/json",
            status=status,
        )
    response.headers["X-Error-Code"] = code
    return response


def _wants_page(request: HttpRequest) -> bool:
    if request.path_info.startswith(("/api/", "/v1/", "/hooks/", "/metrics", "/openai", "/ws")):
        return False
    return "text/html" in request.headers.get("Accept", "")


def _phrase_body(request: HttpRequest, status: int) -> dict[str, Any]:
    if is_openai_dialect(request):
        return openai_error(status, _phrase(status))
    if not is_graph_dialect(request):
        return {"error": _phrase(status)}
    if status == 500:
        return {"detail": "internal server error"}
    return {"detail": HTTPStatus(status).phrase}


def _phrase(status: int) -> str:
    """`Not found`, `Method not allowed`: a status in plain words."""
    return HTTPStatus(status).phrase.capitalize()
