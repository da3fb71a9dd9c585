"""Settings, read from the environment. `.env.example` lists all variables with their defaults."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from seckill import conf
from seckill.backoffice.site import ADMIN_SITE
from seckill.environment import BASE_DIR, DEBUG, celery_variables, env
from seckill.rate import Rate

VAR_DIR = Path(env.str("SECKILL_VAR_DIR", default=str(BASE_DIR / "var")))  # for all files written at run time

# --- Security ---------------------------------------------------------------------------------------------------
INSECURE_SECRET_KEY = "insecure-key-for-development-only"  # noqa: S105 (public, and rejected below)
SECRET_KEY = env.str("SECRET_KEY", default=INSECURE_SECRET_KEY if DEBUG else "")
SECRET_KEY_CHARS_MIN = 32
if not DEBUG and (SECRET_KEY == INSECURE_SECRET_KEY or len(SECRET_KEY) < SECRET_KEY_CHARS_MIN):
    raise ImproperlyConfigured(
        f"SECRET_KEY must be set to a secret of at least {SECRET_KEY_CHARS_MIN} characters:"
        " passes and tickets are signed with it. Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # old keys: only verify, never sign
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
HTTPS = env.bool("SECKILL_HTTPS", default=False)  # True behind a proxy that terminates TLS: secure cookies, HSTS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Browsers remember HSTS for so long, also if TLS stops working: start small, and raise it when all is well.
SECURE_HSTS_SECONDS = env.int("SECKILL_HSTS_SECONDS", default=60 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECKILL_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.bool("SECKILL_HSTS_PRELOAD", default=False)
SECURE_SSL_REDIRECT = env.bool("SECKILL_SSL_REDIRECT", default=HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # asked by plain HTTP on this machine
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- Applications -----------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "seckill",  # first: its runserver wins over that of staticfiles
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_prometheus",
    "django_structlog",
    "django_celery_beat",
    "seckill.catalog",
    "seckill.accounts",
    "seckill.monitoring",
    "seckill.storefront",
    "seckill.backoffice",
    "orders",
    "celery_task",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "seckill.accounts.login_cookie.LoginCookieMiddleware",  # Django's session middleware plus the login cookie
    "seckill.storefront.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
    "seckill.errors.unavailable.UnavailableMiddleware",
]
ROOT_URLCONF = "seckill.urls"
ASGI_APPLICATION = "seckill.asgi.application"
WSGI_APPLICATION = "seckill.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

# --- Database: the ledger ---------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR}/db.sqlite3")
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE takes the write lock when a transaction begins, so that no reader deadlocks by becoming a writer.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # a file, as in real use: threads share it
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-20000;",
    }
else:
    # Requests run on short-lived threads under ASGI, so connections are pooled instead of kept per thread.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # a database restart causes no failed request
    DATABASES["default"]["OPTIONS"] = {
        "pool": {
            "min_size": 1,
            "max_size": conf.DATABASE_POOL_SIZE,
            "timeout": 5,
            # By default, the pool backs off from an unreachable server and notices its return late.
            "reconnect_timeout": 2,
        },
        "connect_timeout": 3,
        # A network failure does not close a connection. By default, the client would wait for 15 minutes, and the
        # server would hold a lost host's locks for two hours. Here both sides give up after 5 s.
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": conf.DATABASE_TIMEOUT_SECONDS * 1000,
        "options": "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"
        f" -c tcp_user_timeout={conf.DATABASE_TIMEOUT_SECONDS * 1000}",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django behind the gate -------------------------------------------------------------------------------------
if conf.DJANGO_THREADS < 1:
    raise ImproperlyConfigured(
        "SECKILL_DATABASE_POOL_SIZE must be at least 5: /readyz, /metrics, logging in, the gate, others."
    )
DJANGO_THREADS = conf.DJANGO_THREADS
DJANGO_WAITING_MAX = conf.DJANGO_WAITING_MAX
DJANGO_WAIT_SECONDS = conf.DJANGO_WAIT_SECONDS

# --- Language, time ---------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")  # for the admin and for schedules at a time of day

# --- Redis: the line, the cache ---------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
HOST = env.str("SECKILL_HOST_NAME", default=socket.gethostname())  # also names this host's queue
CACHE_URL = env.str("CACHE_URL", default=urlsplit(REDIS_URL)._replace(path="/2").geturl())
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "seckill",
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 2,
            "SOCKET_TIMEOUT": 2,
        },
    }
}

# --- Celery: https://docs.celeryq.dev/en/stable/userguide/configuration.html ------------------------------------
# Queues, routes, schedules and transport options are in celery_task/config.py.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=urlsplit(REDIS_URL)._replace(path="/1").geturl())
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # retry forever: after a long broker outage no worker needs a restart
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # also after an error reply: a Redis out of memory terminated the worker
CELERY_BROKER_CONNECTION_TIMEOUT = 2  # seconds, also for each step of publishing
# Seconds. RabbitMQ requeues the messages of a lost host after two missed heartbeats: half a minute at most. Without
# heartbeats it waits for the TCP timeout. Redis has the visibility timeout instead.
CELERY_BROKER_HEARTBEAT = 10
# Tasks store no result unless they ask for it: buyers poll their ticket, and the ledger holds the outcome.
CELERY_RESULT_BACKEND = env.str("CELERY_RESULT_BACKEND", default=urlsplit(REDIS_URL)._replace(path="/3").geturl())
CELERY_RESULT_EXPIRES = 86_400
CELERY_RESULT_EXTENDED = True  # store the task's name and arguments with the result
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = CELERY_REDIS_SOCKET_TIMEOUT = CELERY_BROKER_CONNECTION_TIMEOUT
CELERY_REDIS_RETRY_ON_TIMEOUT = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]  # never pickle: a message must not be able to run code
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = TIME_ZONE  # for crontabs without a time zone
CELERY_IMPORTS = [
    "celery_task.runtime.metrics_server",
    "celery_task.order_task",
    "celery_task.home_task",
    "celery_task.notification_task",
    "celery_task.host_task",
    "celery_task.user_task",
    "celery_task.monitoring_task",
    "celery_task.export_task",
]
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a misspelt queue is an error, not a new queue without a worker
# Acknowledge a task when it has ended, not when it is fetched; the task of a killed child is delivered again.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 60  # seconds; a settlement takes milliseconds
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = True  # for Flower
CELERY_TASK_SEND_SENT_EVENT = True
CELERY_BEAT_SCHEDULER = "celery_task.beat.scheduler:Scheduler"
vars().update(celery_variables())  # any number, text or yes/no of Celery's can be set by a variable of the same name

# --- The line ---------------------------------------------------------------------------------------------------
POLL_AFTER_SECONDS = conf.POLL_AFTER_SECONDS
REJOIN_SECONDS = conf.REJOIN_SECONDS
DOWNSTREAM_DELAY_SECONDS = conf.DOWNSTREAM_DELAY_SECONDS
DOWNSTREAM_MAX_CONCURRENCY = conf.DOWNSTREAM_MAX_CONCURRENCY
RESERVATION_LEASE_SECONDS = conf.RESERVATION_LEASE_SECONDS
SETTLE_CHUNK = conf.SETTLE_CHUNK
SETTLE_CHUNK_MAX = conf.SETTLE_CHUNK_MAX
PASS_RATE = conf.PASS_RATE

# --- Events -----------------------------------------------------------------------------------------------------
WEBHOOK_URL = env.str("SECKILL_WEBHOOK_URL", default="")  # service that notifies buyers of their orders; empty: none
WEBHOOK_SECRET = env.str("SECKILL_WEBHOOK_SECRET", default="")
if WEBHOOK_URL and len(WEBHOOK_SECRET) < SECRET_KEY_CHARS_MIN:
    raise ImproperlyConfigured(
        f"SECKILL_WEBHOOK_URL needs a SECKILL_WEBHOOK_SECRET of at least {SECRET_KEY_CHARS_MIN} characters:"
        " requests to it are signed with it."
    )
REMIND_SECONDS = conf.REMIND_SECONDS

# --- Accounts ---------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["seckill.accounts.passwords.PasswordHasher"]  # Django's PBKDF2, one hash at a time per host
PASSWORD_WAITING_MAX = conf.PASSWORD_WAITING_MAX
PASSWORD_WAIT_SECONDS = conf.PASSWORD_WAIT_SECONDS
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ENGINE = "seckill.accounts.sessions"  # Django's cached_db; deleting a session revokes its login cookies
LOGIN_COOKIE_SECONDS = conf.LOGIN_COOKIE_SECONDS
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"


def _rate(name: str, text: str) -> str:
    """Return a limit per client address, if it is one."""
    try:
        Rate.parse(text)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error
    return text


NUM_PROXIES: int = env.int("SECKILL_NUM_PROXIES", default=0)  # reverse proxies that add to X-Forwarded-For
if NUM_PROXIES < 0:
    raise ImproperlyConfigured(f"SECKILL_NUM_PROXIES={NUM_PROXIES}: 0 or more expected")

# --- API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["seckill.api.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_PARSER_CLASSES": ["seckill.api.json_parser.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {
        "register": _rate("SECKILL_THROTTLE_REGISTER", env.str("SECKILL_THROTTLE_REGISTER", default="30/min")),
        "login": _rate("SECKILL_THROTTLE_LOGIN", env.str("SECKILL_THROTTLE_LOGIN", default="30/min")),
    },
    "EXCEPTION_HANDLER": "seckill.api.exceptions.problem_handler",
    "NUM_PROXIES": NUM_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Flash sale",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # 3.1 uses JSON Schema, which msgspec generates
    "DESCRIPTION": "Join the line, poll the ticket, pay the order. Errors are RFC 9457 problems with a stable code.",
    "DEFAULT_GENERATOR_CLASS": "seckill.api.schema.CachedGenerator",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"StatusEnum": "orders.models.Order.Status"},  # used by two routes
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "seckill.api.gate_schema.add_gate",  # purchase, tickets and progress are not DRF views
    ],
}

# --- Files ------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "seckill.catalog.pictures.PictureStorage"},
    "staticfiles": {"BACKEND": "seckill.storefront.static_storage.StaticStorage"},
    # Written by workers and read by web processes, so hosts must share it. No URL: the API checks permissions.
    "exports": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": VAR_DIR / "exports",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}
# External base URL of this site, for image URLs built without a request (by beat).
PUBLIC_BASE_URL = env.str("SECKILL_PUBLIC_BASE_URL", default="http://127.0.0.1:8000").rstrip("/")

# --- Mail: alerts -----------------------------------------------------------------------------------------------
ADMINS = [("", address) for address in env.list("ADMINS", default=[])]
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 10  # seconds
EMAIL_SUBJECT_PREFIX = ""
SERVER_EMAIL = env.str("SERVER_EMAIL", default="root@localhost")  # sender

# --- Logs: one line per event -----------------------------------------------------------------------------------
LOG_FORMAT = env.str("SECKILL_LOG_FORMAT", default="console")  # console | json
LOG_DIR = Path(chosen) if (chosen := env.str("SECKILL_LOG_DIR", default="")) else None  # None: to stderr
LOG_NAME = env.str("SECKILL_LOG_NAME", default="shop")
SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *SHARED_PROCESSORS,
        structlog.processors.UnicodeDecoder(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
DJANGO_STRUCTLOG_USER_ID_FIELD = ""  # logging the user would load session and account for every request
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": SHARED_PROCESSORS,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(
                    [
                        structlog.processors.TimeStamper(fmt="iso", utc=True),
                        structlog.processors.format_exc_info,
                        structlog.processors.JSONRenderer(),
                    ]
                    if LOG_FORMAT == "json"
                    else [
                        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
                        # The default formats all local variables of all frames, which can take minutes.
                        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
                    ]
                ),
            ],
        }
    },
    "handlers": {
        "log": {
            "class": "seckill.monitoring.logs.LogFile",
            "filename": LOG_DIR / f"{LOG_NAME}.log",
            "formatter": "line",
        }
        if LOG_DIR
        else {"class": "logging.StreamHandler", "formatter": "line"}
    },
    "root": {"handlers": ["log"], "level": env.str("SECKILL_LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": []},  # Django's handlers would mail each error to ADMINS during the request
        "django_structlog": {"level": "ERROR"},  # it logs start and end of each request, too much during a sale
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # clients could flood the log with tracebacks
        # At INFO, Celery logs each received and succeeded task. Tasks log their results; failures are errors.
        "celery.beat": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},  # it logs each request with its URL
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}


# --- Admin ------------------------------------------------------------------------------------------------------
UNFOLD = ADMIN_SITE
