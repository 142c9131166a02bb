"""What `doctor` looks at: one function per question, each with its answer in a line."""

import asyncio
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import django
import redis
from django.conf import settings
from django.core import checks
from django.core.files.storage import storages
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone

from accounts import audit
from accounts.management.preflight import database_exists, schema_problem
from accounts.models import AuditHead
from chat.live_settings import report as settings_report
from project.lib.terminal import Terminal
from project.version import VERSION
from runs import operator_settings
from runs.errors import ModelNotFound, RunsError
from runs.graphs.registry import all_graphs
from runs.log.validate import validate_run
from runs.management.lookup import runs_with_a_log, walk_ids
from runs.models import Run
from runs.providers import local, registry
from runs.services.queue import queue_depth
from runs.tools.mcp.servers import get_servers
from runs.tools.registry import get_registry

#: Below this many bytes SQLite soon has no room for its write-ahead log.
LITTLE_SPACE = 256 * 1024 * 1024
#: Without `--all`, the newest runs up to this many, and up to this many events.
SAMPLE_RUNS, SAMPLE_EVENTS = 200, 100_000
#: Without `--all`, an audit trail of more records is not walked.
SAMPLE_AUDIT = 100_000

_KEYS = (
    *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"),
    *("OPENROUTER_API_KEY", "AWS_ACCESS_KEY_ID"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    is_ok: bool
    note: str


@dataclass(frozen=True, slots=True)
class Examination:
    """How thorough to be, and whom to show progress."""

    terminal: Terminal
    is_thorough: bool = False

    def findings(self) -> Iterator[Finding]:
        """In the order in which one depends on another."""
        operator_settings.refresh()
        yield self._version()
        yield self._data_folder()
        yield self._disk_space()
        yield self._settings()
        yield self._artifact_store()
        yield self._provider_keys()
        yield self._models()
        yield self._local_model()
        yield self._graphs()
        yield self._tools()
        database = self._database()
        yield database
        if not database.is_ok:
            return
        schema = self._schema()
        yield schema
        if not schema.is_ok:
            return
        for question in (self._live_settings, self._queue, self._log_chains, self._audit_chain):
            yield _or_failure(question)
        if settings.REDIS_URL:
            yield self._redis()

    def _version(self) -> Finding:
        note = f"{VERSION} (Python {platform.python_version()}, Django {django.get_version()})"
        return Finding("starport", True, note)

    def _data_folder(self) -> Finding:
        folder = settings.DATA_DIR
        try:
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe."):
                return Finding("data folder", True, f"{folder} is writable")
        except OSError as error:
            return Finding("data folder", False, f"{folder}: {error.strerror}")

    def _disk_space(self) -> Finding:
        try:
            free = shutil.disk_usage(settings.DATA_DIR).free
        except OSError as error:
            return Finding("disk space", False, f"{settings.DATA_DIR}: {error.strerror}")
        return Finding("disk space", free >= LITTLE_SPACE, f"{free / 1e9:,.1f} GB free")

    def _settings(self) -> Finding:
        problems = [problem for problem in checks.run_checks() if problem.is_serious()]
        if not problems:
            return Finding("settings", True, "no problems")
        return Finding("settings", False, " ".join(str(problem.msg) for problem in problems))

    def _artifact_store(self) -> Finding:
        where = settings.STARPORT_ARTIFACTS_URL or "a folder of the data folder"
        try:
            storages["artifacts"].exists("probe")
        except Exception as error:  # the SDK's errors have no common base
            return Finding("artifact store", False, f"{where}: {_first_line(error)}")
        return Finding("artifact store", True, where)

    def _provider_keys(self) -> Finding:
        given = [name for name in _KEYS if os.environ.get(name) or os.environ.get(f"{name}_FILE")]
        note = ", ".join(given) or "none set; models that need no key answer"
        return Finding("provider keys", True, note)

    def _models(self) -> Finding:
        try:
            registry.check_configuration()
            default, *others = registry.configured_models()
        except ModelNotFound as error:
            return Finding("models", False, str(error))
        more = f", then {', '.join(others)}" if others else ""
        return Finding("models", True, f"{default} by default{more}")

    def _local_model(self) -> Finding:
        """Whoever needs it has named it, and then its absence is a problem of the models."""
        if local.is_installed():
            return Finding("local model", True, f"{local.MODEL_ID} is installed")
        return Finding("local model", True, "not installed (see requirements-local.txt)")

    def _graphs(self) -> Finding:
        try:
            return Finding("graphs", True, ", ".join(graph.id for graph in all_graphs()))
        except DatabaseError:
            return Finding("graphs", False, "they lie in the database")
        except (RunsError, OSError) as error:
            return Finding("graphs", False, str(error))

    def _tools(self) -> Finding:
        asyncio.run(_reach_tool_servers())
        tools = get_registry()
        problems = tools.problems
        note = "; ".join(problems) if problems else f"{len(tools.all())} tools"
        return Finding("tools", not problems, note)

    def _database(self) -> Finding:
        where = _describe_database()
        if not database_exists():
            return Finding("database", False, f"{where} does not exist; `serve` creates it")
        try:
            connection.ensure_connection()
        except DatabaseError as error:
            return Finding("database", False, f"{where}: {_first_line(error)}")
        return Finding("database", True, where)

    def _schema(self) -> Finding:
        try:
            problem = schema_problem()
        except DatabaseError as error:
            problem = _first_line(error)
        return Finding("schema", not problem, problem or "all migrations applied")

    def _live_settings(self) -> Finding:
        problems = settings_report.problems()
        return Finding("live settings", not problems, "; ".join(problems) or settings_report.note())

    def _queue(self) -> Finding:
        waiting, room = queue_depth(), settings.STARPORT_QUEUE
        running = Run.objects.filter(lease_expires_at__gte=timezone.now()).count()
        silent = Run.objects.filter(lease_expires_at__lt=timezone.now()).count()
        note = f"{waiting} of {room} waiting, {running} running"
        if silent:
            note += f", {silent} left by a worker that went silent (the next one continues them)"
        return Finding("queue", waiting < room, note)

    def _log_chains(self) -> Finding:
        run_ids, total, scope = self._chosen_logs()
        checked = unfinished = 0
        with self.terminal.progress("checking logs", total) as advance:
            for run_id in run_ids:
                verdict = validate_run(run_id)
                if verdict.status == "invalid":
                    note = f"{run_id}: {verdict} (`runs validate` checks every run)"
                    return Finding("log chains", False, note)
                checked += 1
                unfinished += verdict.status == "in_progress"
                advance(1)
        note = f"{checked} runs{scope} valid" if checked else "no runs yet"
        if unfinished:
            note += f", {unfinished} of them in progress"
        return Finding("log chains", True, note)

    def _chosen_logs(self) -> tuple[Iterator[str], int, str]:
        """Ids, how many, and how to call the choice."""
        if self.is_thorough:
            runs = runs_with_a_log()
            return walk_ids(runs), runs.count(), ""
        newest = Run.objects.filter(started_ns__isnull=False).order_by("-started_ns", "-id")
        sample = newest.values_list("id", "head_seq")[: SAMPLE_RUNS + 1]
        chosen: list[str] = []
        events = 0
        for run_id, head_seq in sample:
            events += head_seq
            if chosen and (events > SAMPLE_EVENTS or len(chosen) == SAMPLE_RUNS):
                return iter(chosen), len(chosen), " (the newest; --all checks all)"
            chosen.append(run_id)
        return iter(chosen), len(chosen), ""

    def _audit_chain(self) -> Finding:
        head = AuditHead.objects.filter(pk=1).first()
        total = head.seq if head else 0
        if total > SAMPLE_AUDIT and not self.is_thorough:
            return Finding("audit chain", True, f"{total} records, not checked (--all does)")
        with self.terminal.progress("checking the audit trail", total) as advance:
            verdict = audit.verify(_as_steps(advance))
        if verdict.is_intact:
            return Finding("audit chain", True, f"{verdict.checked} records")
        return Finding("audit chain", False, f"record {verdict.seq}: {verdict.reason}")

    def _redis(self) -> Finding:
        try:
            with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
                client.ping()
        except (redis.RedisError, ValueError, OSError) as error:
            return Finding("redis", False, f"does not answer ({type(error).__name__})")
        return Finding("redis", True, "answers")


async def _reach_tool_servers() -> None:
    """Configured MCP servers that do not answer end up among the registry's problems."""
    servers = get_servers()
    await servers.start()
    await servers.stop()


def _or_failure(question: Callable[[], Finding]) -> Finding:
    """A table that cannot be read is a finding too, and the other questions are still asked."""
    try:
        return question()
    except Exception as error:
        name = question.__name__.strip("_").replace("_", " ")
        return Finding(name, False, f"{type(error).__name__}: {_first_line(error)}")


def _as_steps(advance: Callable[[int], None]) -> Callable[[int], None]:
    """Turn "so many are done" into "so many more"."""
    done = 0

    def progress(checked: int) -> None:
        nonlocal done
        advance(checked - done)
        done = checked

    return progress


def _describe_database() -> str:
    """Without user and password."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"SQLite {database['NAME']}"
    return f"PostgreSQL {database['HOST'] or 'localhost'}/{database['NAME']}"


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
