"""Every setting, read from the environment; `.env.example` lists them with their defaults."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
import structlog
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from seckill.rate import Rate

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))  # everything a running system writes
VAR_DIR.mkdir(parents=True, exist_ok=True)
env.read_env(VAR_DIR / "demo.env")  # the demo's addresses, so that ./manage.py talks to a running demo

# --- Security ---------------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
INSECURE_SECRET_KEY = "insecure-key-for-development-only"  # noqa: S105 (it is public, and refused below)
SECRET_KEY = env.str("SECRET_KEY", default=INSECURE_SECRET_KEY if DEBUG else "")
SECRET_KEY_CHARS_MIN = 32
if not DEBUG and (SECRET_KEY == INSECURE_SECRET_KEY or len(SECRET_KEY) < SECRET_KEY_CHARS_MIN):
    raise ImproperlyConfigured(
        f"SECRET_KEY must be set to a secret of at least {SECRET_KEY_CHARS_MIN} characters:"
        " passes and tickets are signed with it. Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # old keys: still verify, never sign
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
HTTPS = env.bool("HTTPS", default=False)  # True behind a proxy that ends TLS: secure cookies, HSTS, redirect
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- Applications -----------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
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
    "seckill",  # its commands
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "seckill.accounts.login_cookie.LoginCookieMiddleware",  # Django's session middleware, and a cookie for the gate
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
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=10)  # connections that one process keeps at most
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE takes the write lock when a transaction begins: readers never turn writers half-way and deadlock.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # a file, as in real use: threads share it
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-20000;",
    }
else:
    # Requests run on short-lived threads under ASGI, so connections are kept in a pool rather than by thread.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # a server that was restarted costs nobody an error
    DATABASES["default"]["OPTIONS"] = {
        "pool": {
            "min_size": 1,
            "max_size": DATABASE_POOL_SIZE,
            "timeout": 5,
            # Left alone, the pool asks a server that is away less and less often, and finds it late when it is back.
            "reconnect_timeout": 2,
        },
        "connect_timeout": 3,
        # A cut cable ends no connection. Left alone, this side would wait for a quarter of an hour, and the server
        # hold the locks of a lost host for two hours: both give up after 5 s without a sign of the other.
        "keepalives_idle": 2,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": 5000,  # milliseconds
        "options": "-c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3"
        " -c tcp_user_timeout=5000",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django behind the gate -------------------------------------------------------------------------------------
# A thread for each connection of the pool: no request waits for a connection while it holds a thread. Four of the pool
# are for others: /readyz, /metrics and logging in, which have a thread each, and the gate.
DJANGO_THREADS = DATABASE_POOL_SIZE - 4
if DJANGO_THREADS < 1:
    raise ImproperlyConfigured(
        "DATABASE_POOL_SIZE must be at least 5: /readyz, /metrics, logging in, the gate, others."
    )
DJANGO_WAITING_MAX = env.int("DJANGO_WAITING_MAX", default=100)  # requests; one process renders about as many a second
DJANGO_WAIT_SECONDS = 3.0  # after that a visitor is told to come back, rather than left with an empty page

# --- Redis: the line, the cache, the broker ---------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=urlsplit(REDIS_URL)._replace(path="/1").geturl())
CELERY_RESULT_BACKEND = env.str("CELERY_RESULT_BACKEND", default=urlsplit(REDIS_URL)._replace(path="/3").geturl())
HOST = env.str("HOST", default=socket.gethostname())  # the name of the queue for what this host has to do itself
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

# --- The line ---------------------------------------------------------------------------------------------------
POLL_AFTER_SECONDS = 2  # how often a waiting browser asks
REJOIN_SECONDS = 5  # after Redis lost the line, its crowd has two polls to come back in the old order
DOWNSTREAM_DELAY_SECONDS = env.float(
    "DOWNSTREAM_DELAY_SECONDS", default=0
)  # load tests: a slow call that each order needs
DOWNSTREAM_MAX_CONCURRENCY = env.int(
    "DOWNSTREAM_MAX_CONCURRENCY", default=50
)  # such calls that one process makes side by side
RESERVATION_LEASE_SECONDS = (
    5 + 2 * DOWNSTREAM_DELAY_SECONDS
)  # a worker silent for so long is dead; its claim goes to the next one
SETTLE_CHUNK = 500  # places that a worker claims at once
SETTLE_CHUNK_MAX = 2_000  # where many wait; Redis does nothing else for 2 ms when so many are reserved or confirmed
try:
    PASS_RATE = Rate.parse(env.str("THROTTLE_PASS", default="60/min"))  # passes for one account
except ValueError as error:
    raise ImproperlyConfigured(f"THROTTLE_PASS: {error}") from error

# --- Events -----------------------------------------------------------------------------------------------------
WEBHOOK_URL = env.str(
    "WEBHOOK_URL", default=""
)  # who tells buyers about their orders, by mail or message; empty: nobody
WEBHOOK_SECRET = env.str("WEBHOOK_SECRET", default="")
if WEBHOOK_URL and len(WEBHOOK_SECRET) < SECRET_KEY_CHARS_MIN:
    raise ImproperlyConfigured(
        f"WEBHOOK_URL needs a WEBHOOK_SECRET of at least {SECRET_KEY_CHARS_MIN} characters: notices are signed with it."
    )
REMIND_SECONDS = env.int("REMIND_SECONDS", default=120)  # before the time to pay ends; 0: nobody is reminded

# --- Accounts ---------------------------------------------------------------------------------------------------
PASSWORD_HASHERS = ["seckill.accounts.passwords.PasswordHasher"]  # PBKDF2 as Django does it, one at a time on a host
PASSWORD_WAITING_MAX = env.int("PASSWORD_WAITING_MAX", default=5)  # log-ins; a host hashes two to four a second
PASSWORD_WAIT_SECONDS = 5.0  # for a turn among the processes: eight of them take so long for one each
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_ENGINE = "seckill.accounts.sessions"  # in the database; a session that is deleted ends its login cookies
# How long a login cookie speaks for its session: what ends it earlier has to be remembered for as long, in Redis.
LOGIN_COOKIE_SECONDS = 3600
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"

# --- API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["seckill.api.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    "DEFAULT_PARSER_CLASSES": ["seckill.api.json_parser.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {
        "register": env.str("THROTTLE_REGISTER", default="30/min"),
        "login": env.str("THROTTLE_LOGIN", default="30/min"),
    },
    "EXCEPTION_HANDLER": "seckill.api.exceptions.problem_handler",
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),  # how many reverse proxies add to X-Forwarded-For
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Flash sale",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",  # whose schemas are JSON Schema, as msgspec writes it
    "DESCRIPTION": "Join the line, poll the ticket, pay the order. Errors are RFC 9457 problems with a stable code.",
    "DEFAULT_GENERATOR_CLASS": "seckill.api.schema.CachedGenerator",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"StatusEnum": "orders.models.Order.Status"},  # which two calls name
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "seckill.api.gate_schema.add_gate",  # purchase, tickets and progress are no DRF views
    ],
}

# --- Language, time ---------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")  # of the admin, and of schedules that name a time of day

# --- Files ------------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "seckill.catalog.pictures.PictureStorage"},
    "staticfiles": {"BACKEND": "seckill.storefront.static_storage.StaticStorage"},
    # Written by workers, read by the web: hosts share it. No URL leads there, the API asks who wants to know.
    "exports": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": VAR_DIR / "exports",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}
# Where this site is reached from outside: image addresses built without a request (by beat) start with it.
PUBLIC_BASE_URL = env.str("PUBLIC_BASE_URL", default="http://127.0.0.1:8000").rstrip("/")

# --- Mail: alerts -----------------------------------------------------------------------------------------------
ADMINS = [("", address) for address in env.list("ADMINS", default=[])]
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
EMAIL_TIMEOUT = 10  # seconds
EMAIL_SUBJECT_PREFIX = ""
SERVER_EMAIL = env.str("SERVER_EMAIL", default="root@localhost")  # who writes

# --- Logs: one line an event ------------------------------------------------------------------------------------
LOG_FORMAT = env.str("LOG_FORMAT", default="console")  # console | json
LOG_DIR = Path(chosen) if (chosen := env.str("LOG_DIR", default="")) else None  # None: to stderr
LOG_NAME = env.str("LOG_NAME", default="shop")
if LOG_DIR:
    LOG_DIR.mkdir(parents=True, exist_ok=True)
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
DJANGO_STRUCTLOG_USER_ID_FIELD = ""  # naming the user would load session and account for every request
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
                        # Plain: the default shows every local variable of every frame, which can take minutes.
                        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
                    ]
                ),
            ],
        }
    },
    "handlers": {
        "log": {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": LOG_DIR / f"{LOG_NAME}.log",
            "formatter": "line",
        }
        if LOG_DIR
        else {"class": "logging.StreamHandler", "formatter": "line"}
    },
    "root": {"handlers": ["log"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": []},  # Django's own would mail each error to ADMINS, from within the request
        "django_structlog": {"level": "ERROR"},  # a line for each request's start and end is too many in a flash
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # strangers could fill the log with tracebacks
        # Received and succeeded, for every task: the tasks log what they did, and failures are logged as errors.
        "celery.beat": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},  # each request, with its address
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}


# --- Admin ------------------------------------------------------------------------------------------------------
def _admin_link(title: Promise, icon: str, model: str, permission: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": lambda request: request.user.has_perm(permission),
    }


UNFOLD = {
    "SITE_TITLE": _("Flash sale"),
    "SITE_HEADER": _("Flash sale"),
    "SITE_SYMBOL": "bolt",
    "SITE_URL": "/",
    "SHOW_LANGUAGES": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Shop"),
                "items": [
                    _admin_link(_("Sales"), "bolt", "catalog_sale", "catalog.view_sale"),
                    _admin_link(_("Orders"), "receipt_long", "orders_order", "orders.view_order"),
                    _admin_link(_("Exports"), "download", "orders_export", "orders.view_order"),
                    _admin_link(_("Products"), "inventory_2", "catalog_product", "catalog.view_product"),
                    _admin_link(_("Banners"), "image", "catalog_banner", "catalog.view_banner"),
                ],
            },
            {
                "title": _("Work"),
                "separator": True,
                "items": [
                    _admin_link(_("Alerts"), "notifications_active", "monitoring_alert", "monitoring.view_alert"),
                    _admin_link(
                        _("Schedules"),
                        "schedule",
                        "django_celery_beat_periodictask",
                        "django_celery_beat.view_periodictask",
                    ),
                    _admin_link(_("Hosts"), "dns", "monitoring_host", "monitoring.view_host"),
                ],
            },
            {
                "title": _("Accounts"),
                "separator": True,
                "items": [
                    _admin_link(_("Users"), "person", "auth_user", "auth.view_user"),
                    _admin_link(_("Groups"), "group", "auth_group", "auth.view_group"),
                ],
            },
        ],
    },
}
