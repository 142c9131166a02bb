"""All configuration, read from the environment once. Units and defaults stand beside each."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from accounts.profiles import AUTH_PROVIDERS
from project import artifact_store, log_output, secret_key
from project.env import (
    env_bool,
    env_choice,
    env_int,
    env_lines,
    env_list,
    env_profile,
    env_seconds,
    env_secret,
    env_store,
    env_str,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where state lies -------------------------------------------------------------------------

# Everything the program writes lies under this folder. `--data` of any command sets it.
DATA_DIR = Path(env_str("STARPORT_DATA", "data")).resolve()

DEBUG = env_bool("DEBUG")
SECRET_KEY = env_secret("SECRET_KEY") or secret_key.load_or_create(DATA_DIR)
# Keys of before, newest first: sessions and tokens they signed stay valid while they stand here.
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

# --- Running ----------------------------------------------------------------------------------

# Who executes runs: the server process itself, or Celery workers.
STARPORT_EXECUTOR = env_choice("STARPORT_EXECUTOR", ("embedded", "celery"), "embedded")
STARPORT_WORKERS = env_int("STARPORT_WORKERS", 4, minimum=1)  # runs executed at a time
STARPORT_QUEUE = env_int("STARPORT_QUEUE", 100, minimum=1)  # runs that may wait for a worker
# Seconds that `daemon_status` of an ended run is shown; negative: for ever.
STARPORT_JOB_RETENTION = env_seconds("STARPORT_JOB_RETENTION", 300.0)
# Seconds without heartbeat after which another worker may take a run over.
STARPORT_LEASE_SECONDS = env_int("STARPORT_LEASE_SECONDS", 15, minimum=1)
STARPORT_DRAIN_SECONDS = env_seconds("STARPORT_DRAIN_SECONDS", 10.0, minimum=0.0)  # after SIGTERM
# Steps after which a graph counts as one that never ends; its document may ask for others.
STARPORT_MAX_STEPS = env_int("STARPORT_MAX_STEPS", 10_000, minimum=1)
# Threads that answer ordinary requests, each with its own database connection.
# On PostgreSQL they mostly wait for it; on SQLite more of them only take turns from the engine.
STARPORT_REQUEST_THREADS = env_int(
    "STARPORT_REQUEST_THREADS", 16 if env_secret("DATABASE_URL") else 4, minimum=1
)
# WebSockets that may watch one run, in each server process.
STARPORT_STREAM_SUBSCRIBERS = env_int("STARPORT_STREAM_SUBSCRIBERS", 64, minimum=1)
# Seconds of silence after which an open stream shows that it lives and looks at the run's row.
STARPORT_STREAM_HEARTBEAT_SECONDS = env_seconds(
    "STARPORT_STREAM_HEARTBEAT_SECONDS", 15.0, minimum=1.0
)
STARPORT_BODY_LIMIT = env_int("STARPORT_BODY_LIMIT", 2 * 1024 * 1024, minimum=1024)  # bytes

# --- What runs are made of --------------------------------------------------------------------

STARPORT_GRAPHS = [Path(path) for path in env_lines("STARPORT_GRAPHS")]  # folders, one a line
STARPORT_INSPECT = env_bool("STARPORT_INSPECT", True)  # whether /inspect/ exists
# Estimated tokens of history above which the oldest messages of a run are dropped.
STARPORT_CONTEXT_TOKENS = env_int("STARPORT_CONTEXT_TOKENS", 120_000, minimum=256)
# Regular expressions, one a line: what matches is taken out of events before they are stored.
STARPORT_REDACT = env_lines("STARPORT_REDACT")
# Networks (CIDR) that server-side fetches may reach although they are private. Default: none.
STARPORT_SSRF_ALLOW = env_list("STARPORT_SSRF_ALLOW")
# The folder that `read_file` and `list_files` may read. Default: `files` in the data folder.
STARPORT_FILES_DIR = Path(env_str("STARPORT_FILES_DIR") or DATA_DIR / "files")
# Bytes that one artifact may have.
STARPORT_ARTIFACT_MAX_BYTES = env_int("STARPORT_ARTIFACT_MAX_BYTES", 64 * 1024 * 1024, minimum=1024)
# New artifacts are kept under their SHA-256, which FIPS 140 approves of, instead of their BLAKE3.
STARPORT_FIPS = env_bool("STARPORT_FIPS")
# MCP servers whose tools runs may use: JSON text, or the path of a JSON or YAML file.
STARPORT_MCP_SERVERS = env_str("STARPORT_MCP_SERVERS")

# What fires runs by itself; read when a server starts, and absent is empty.
STARPORT_TRIGGERS_FILE = DATA_DIR / "config" / "triggers.yaml"
STARPORT_DELIVERY_DAYS = env_int("STARPORT_DELIVERY_DAYS", 30, minimum=1)  # of the delivery log
# Days that outgoing webhooks' messages and deliveries are kept; retries take a little over three.
STARPORT_WEBHOOK_DAYS = env_int("STARPORT_WEBHOOK_DAYS", 30, minimum=4)

# Live settings as the operator writes them down; watched while a server runs. Absent is empty.
STARPORT_SETTINGS_FILE = DATA_DIR / "config" / "agent.toml"
# The ids of models that pages offer, beside those that we ship. Absent is empty.
STARPORT_MODELS_FILE = DATA_DIR / "config" / "models.toml"

# --- Who may call -----------------------------------------------------------------------------

# STARGRAPH_PROFILE is another name for it.
STARPORT_PROFILE = env_profile("STARPORT_PROFILE")
# The one kind of credential under the cleared profile; the other profile takes several.
STARPORT_AUTH_PROVIDER = env_choice("STARPORT_AUTH_PROVIDER", AUTH_PROVIDERS, AUTH_PROVIDERS[0])
# Tokens (JWT) count when all three are set: where the issuer's public keys are, its name (`iss`)
# and ours (`aud`).
STARPORT_JWT_JWKS_URL = env_str("STARPORT_JWT_JWKS_URL")
STARPORT_JWT_ISSUER = env_str("STARPORT_JWT_ISSUER")
STARPORT_JWT_AUDIENCE = env_str("STARPORT_JWT_AUDIENCE")
# What client certificates are granted: JSON, common name to a role or a list of capabilities.
STARPORT_MTLS_GRANTS = env_str("STARPORT_MTLS_GRANTS")
STARLINGD_TOKEN = env_secret("STARLINGD_TOKEN")  # the daemon token; empty: there is none
STARPOD_API_KEY = env_secret("STARPOD_API_KEY")  # imported as the first admin's key
# Whether a start with no user creates the admin and their key.
STARPORT_BOOTSTRAP = env_bool("STARPORT_BOOTSTRAP", True)
# Networks (CIDR) of reverse proxies whose X-Forwarded-* headers are believed. Default: nobody's.
STARPORT_TRUSTED_PROXIES = env_list("STARPORT_TRUSTED_PROXIES")
# Milliseconds until a decision that let somebody pass is stored in the audit trail; 0: before the
# answer. Refusals and administrative changes always are, and under the cleared profile everything.
STARPORT_AUDIT_FLUSH_MS = env_int("STARPORT_AUDIT_FLUSH_MS", 100, minimum=0)
# Clients reach this server over HTTPS, by a proxy or by its own certificate.
STARPORT_HTTPS = env_bool("STARPORT_HTTPS")

# --- Channels ---------------------------------------------------------------------------------

TELEGRAM_BOT_TOKEN = env_secret("TELEGRAM_BOT_TOKEN")  # unless one is entered in the settings
TELEGRAM_API_BASE = env_str("TELEGRAM_API_BASE", "https://api.telegram.org")

# --- Django -----------------------------------------------------------------------------------

# Daphne's app does nothing but replace `runserver`, and its Twisted would be a good part of every
# other command's start.
_runserver_apps = ["daphne"] if sys.argv[1:2] == ["runserver"] else []

INSTALLED_APPS = [
    *_runserver_apps,
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
    "csp",
    "project",
    "accounts",
    "runs",
    "instances",
    "chat",
]

MIDDLEWARE = [
    "project.middleware.RequestIds",
    "runs.api.request_metrics.RequestMetrics",
    "django.middleware.security.SecurityMiddleware",
    "project.middleware.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "project.middleware.RateLimits",  # inside of what serves files, outside of every refusal
    "project.middleware.ErrorBodies",
    "project.logins.Sessions",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "project.logins.Users",
    "accounts.key_sessions.KeySessions",
    "project.logins.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "project.middleware.GuardedPrefixes",
    "project.middleware.BodyLimit",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
APPEND_SLASH = False  # clients rely on exact paths; a redirect would turn a POST into a GET
DATA_UPLOAD_MAX_MEMORY_SIZE = STARPORT_BODY_LIMIT

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
CSRF_FAILURE_VIEW = "project.api_errors.csrf_failure"

# --- Database ---------------------------------------------------------------------------------


def _database(url: str) -> dict[str, Any]:
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            # A file: threads of one process share it as in production, which memory cannot do.
            "TEST": {"NAME": str(DATA_DIR / "test.sqlite3")},
            "NAME": DATA_DIR / "starport.sqlite3",
            # Request and engine threads live on, and so do their connections.
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                # Take the write lock at BEGIN: a transaction that upgrades later cannot wait.
                "transaction_mode": "IMMEDIATE",
                "timeout": 5,  # seconds to wait for another process's write lock
                "init_command": (
                    "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
                    "PRAGMA temp_store=MEMORY;PRAGMA mmap_size=268435456;PRAGMA cache_size=-32000"
                ),
            },
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


DATABASES = {"default": _database(env_secret("DATABASE_URL"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: channel layer, cache, Celery broker -----------------------------------------------

REDIS_URL = env_secret("REDIS_URL")
# First part of every key, so that several installations can share one Redis.
STARPORT_REDIS_PREFIX = env_str("STARPORT_REDIS_PREFIX", "starport")

CHANNEL_LAYERS: dict[str, dict[str, Any]]
CACHES: dict[str, dict[str, Any]]
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL], "prefix": f"{STARPORT_REDIS_PREFIX}:channels"},
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": f"{STARPORT_REDIS_PREFIX}:cache",
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# Read by project.celery. A task carries an id; the lease in the database decides who works.
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,  # seconds until an unacknowledged task is delivered again
    "global_keyprefix": f"{STARPORT_REDIS_PREFIX}:celery:",
}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "starport"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TIMEZONE = "UTC"
# The clocks of a deployment with workers. Each may tick in several places: all are idempotent.
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "runs.tasks.sweep", "schedule": 2.0},
    "forget": {"task": "runs.tasks.forget", "schedule": 600.0},
    "converse": {"task": "chat.tasks.sweep_conversations", "schedule": 2.0},
    "account": {"task": "chat.tasks.record_usage", "schedule": 2.0},
    # Every server keeps these clocks, too. A tick that no worker took in time is not made up for.
    "fire": {"task": "runs.tasks.fire_due_triggers", "schedule": 1.0, "options": {"expires": 1.0}},
    "cron": {"task": "chat.tasks.fire_cron_jobs", "schedule": 1.0, "options": {"expires": 1.0}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")

# --- Rate limits ------------------------------------------------------------------------------

_quota = env_int("RATELIMIT_DEFAULT", 0, minimum=1)  # 0: nobody said
_write_quota = env_int("RATELIMIT_WRITE", 0, minimum=1)
_anonymous_quota = env_int("RATELIMIT_ANONYMOUS", 0, minimum=1)
# Whether requests are counted at all; forks of runs always are.
RATELIMIT_ENABLED = env_bool(
    "RATELIMIT_ENABLED",
    bool(_quota or _write_quota or _anonymous_quota) or STARPORT_PROFILE == "cleared",
)
RATELIMIT_WINDOW_SECONDS = env_int("RATELIMIT_WINDOW_SECONDS", 60, minimum=1)
# Requests in a window: a caller's reads, its other requests, those of who proves to be nobody.
RATELIMIT_DEFAULT = _quota or 600
RATELIMIT_WRITE = _write_quota or _quota or 60
RATELIMIT_ANONYMOUS = _anonymous_quota or _quota or 60
# Forks of runs that one caller may begin at once; the same number comes back every minute.
RATELIMIT_COUNTERFACTUAL = env_int("RATELIMIT_COUNTERFACTUAL", 10, minimum=1)
# Where they are counted: `memory` is this process alone; several processes need a Redis.
RATELIMIT_STORE = env_store("RATELIMIT_STORE", REDIS_URL or "memory")

# --- HTTP -------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["project.json_api.OrjsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["project.json_api.OrjsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "project.json_api.JsonWhateverIsAsked",
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasCapability"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "project.api_errors.api_exception_handler",
    "UNAUTHENTICATED_USER": None,
}
# Whether /openapi.json, /swagger and /redoc are served, to anybody who asks.
STARPORT_OPENAPI = env_bool("STARPORT_OPENAPI", True)
SPECTACULAR_SETTINGS = {
    "TITLE": "Starport",
    "DESCRIPTION": "Start runs of your agents, watch them live, prove what happened.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    # Not the default one: enums stay where they are used, under no made-up names.
    "POSTPROCESSING_HOOKS": [
        "runs.graph_api.stream_schema.describe_stream",
        "chat.api.schema_socket.describe_socket",
        "chat.api.schema_webhook_messages.describe_messages",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
}

# Every page loads only our own files and runs nothing inline.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# The admin's theme evaluates expressions in attributes (Alpine) and sets styles from script.
STARPORT_ADMIN_CSP = {
    **CONTENT_SECURITY_POLICY["DIRECTIVES"],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = STARPORT_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if STARPORT_HTTPS else 0  # a year
SECURE_HSTS_INCLUDE_SUBDOMAINS = STARPORT_HTTPS
SECURE_HSTS_PRELOAD = STARPORT_HTTPS
SESSION_COOKIE_NAME = "starport_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = STARPORT_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_AGE = 14 * 86_400  # seconds

# The admin's theme: our name, and the accent colour of the inspector.
UNFOLD = {
    "SITE_TITLE": "Starport",
    "SITE_HEADER": "Starport",
    "SITE_SYMBOL": "rocket_launch",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "/static/img/starport.svg"},
    ],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "project.admin_sidebar.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.72)",
            "100": "oklch(95.3% .051 180.801)",
            "200": "oklch(91% .096 180.426)",
            "300": "oklch(85.5% .138 181.071)",
            "400": "oklch(77.7% .152 181.912)",
            "500": "oklch(70.4% .14 182.503)",
            "600": "oklch(52% .095 184)",
            "700": "oklch(47% .085 186)",
            "800": "oklch(43.7% .078 188.216)",
            "900": "oklch(38.6% .063 188.416)",
            "950": "oklch(27.7% .046 192.524)",
        }
    },
}

# --- Static files, time, logs -----------------------------------------------------------------

# The machine's own, before Django replaces it: cron jobs are meant in it unless told otherwise.
HOST_TIME_ZONE = env_str("TZ")
TIME_ZONE = "UTC"
USE_TZ = True
# A bucket for artifacts: s3://bucket/prefix?endpoint=…&region=…. Default: a folder in the data
# folder. Several machines need one place.
STARPORT_ARTIFACTS_URL = env_str("STARPORT_ARTIFACTS_URL")
# Credentials for that bucket. Default: what the AWS SDK finds.
STARPORT_S3_ACCESS_KEY = env_secret("STARPORT_S3_ACCESS_KEY")
STARPORT_S3_SECRET_KEY = env_secret("STARPORT_S3_SECRET_KEY")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "artifacts": artifact_store.artifact_storage(
        STARPORT_ARTIFACTS_URL,
        folder=DATA_DIR / "artifacts",
        access_key=STARPORT_S3_ACCESS_KEY,
        secret_key=STARPORT_S3_SECRET_KEY,
    ),
}

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served straight from the packages: a fresh clone needs no collectstatic.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_MAX_AGE = 3600  # seconds

PROMETHEUS_EXPORT_MIGRATIONS = False

# `auto` writes coloured text on a terminal and JSON lines otherwise.
STARPORT_LOG_FORMAT = env_choice("STARPORT_LOG_FORMAT", ("auto", "json", "console"), "auto")
STARPORT_LOG_LEVEL = env_choice("STARPORT_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOGGING = log_output.logging_config(style=STARPORT_LOG_FORMAT, level=STARPORT_LOG_LEVEL)
log_output.configure_structlog()

# Who runs instances: a backend by its URL, or `local`, as child processes of this machine. Neither:
# the feature is off.
STARPORT_INSTANCE_BACKEND_URL = env_str("STARPOD_INSTANCE_BACKEND_URL").rstrip("/")
STARPORT_INSTANCE_BACKEND = env_choice("STARPORT_INSTANCE_BACKEND", ("", "local"), "")
# Instances that this machine runs at most, as `local` or for others (`manage.py instance_backend`).
STARPORT_INSTANCE_LIMIT = env_int("STARPORT_INSTANCE_LIMIT", 10, minimum=1)
# What `manage.py instance_backend` demands of its callers: the same key on the other side.
STARPORT_INSTANCE_BACKEND_KEY = env_secret("STARPOD_INSTANCE_API_KEY")
# What the backend is shown as `Authorization: Bearer`. The key of a model provider is sent only
# when nothing else is set, because that is how clients of old configured it.
STARPORT_INSTANCE_API_KEY = env_secret("STARPOD_INSTANCE_API_KEY") or env_secret(
    "ANTHROPIC_API_KEY"
)
# Seconds without a byte of its answer before a request to the backend fails.
STARPORT_INSTANCE_TIMEOUT = env_int("STARPORT_INSTANCE_TIMEOUT", 30, minimum=1)
# Seconds between two looks at all instances, and how old a heartbeat may be. Live settings: these
# count where nobody has set another; 0: nobody said.
STARPORT_INSTANCE_POLL_SECONDS = env_int("STARPORT_INSTANCE_POLL_SECONDS", 0, minimum=1)
STARPORT_INSTANCE_HEARTBEAT_TIMEOUT = env_int("STARPORT_INSTANCE_HEARTBEAT_TIMEOUT", 0, minimum=1)

# Models: `provider:model`, the first is the default. Empty: found from the keys below, Ollama, the
# built-in ones.
MODEL_NAMES = env_list("STARPORT_MODELS")
# Seconds to reach a provider, and seconds without a byte of its answer, before a call fails.
MODEL_CONNECT_TIMEOUT_SECONDS: float = env_int("STARPORT_MODEL_CONNECT_TIMEOUT", 10, minimum=1)
MODEL_IDLE_TIMEOUT_SECONDS: float = env_int("STARPORT_MODEL_IDLE_TIMEOUT", 120, minimum=1)
# Providers' credentials and addresses, by the names their own tools use. Empty: not configured, or
# the provider's own address.
OPENAI_API_KEY = env_secret("OPENAI_API_KEY")
OPENAI_BASE_URL = env_str("OPENAI_BASE_URL")
ANTHROPIC_API_KEY = env_secret("ANTHROPIC_API_KEY")
ANTHROPIC_BASE_URL = env_str("ANTHROPIC_BASE_URL")
GOOGLE_API_KEY = env_secret("GOOGLE_API_KEY") or env_secret("GEMINI_API_KEY")
GOOGLE_GEMINI_BASE_URL = env_str("GOOGLE_GEMINI_BASE_URL")
OPENROUTER_API_KEY = env_secret("OPENROUTER_API_KEY")
OPENROUTER_BASE_URL = env_str("OPENROUTER_BASE_URL")
OLLAMA_API_KEY = env_secret("OLLAMA_API_KEY")
OLLAMA_BASE_URL = env_str("OLLAMA_BASE_URL") or env_str("OLLAMA_HOST")
