"""Tuning constants: the numbers that an operator could have a reason to know, each with its unit and default.

A constant whose default comes from ``env`` can be set by that variable (``.env.example``); the others are changed here.
`seckill.checks` states which relations between them must hold.

Facts of one module's protocol stay in that module: sizes of HTTP headers and bodies, lengths of keys and tokens, chunks
of one Redis call or SQL statement, intervals of polling. To change those, one has to read the module anyway. Addresses,
security and what Django and its libraries define are in `seckill.settings`.
"""

from django.core.exceptions import ImproperlyConfigured

from seckill.environment import env
from seckill.rate import Rate

# --- The line -------------------------------------------------------------------------------------------------------
#: Seconds between two polls of a waiting browser; also the Retry-After of a 503.
POLL_AFTER_SECONDS = 2
#: Seconds after a lost line was rebuilt in which only ticket holders are admitted, so that they keep their order.
REJOIN_SECONDS = 5
#: Places in one reservation.
SETTLE_CHUNK = 500
#: Places in one reservation when many buyers wait; reserving or confirming so many blocks Redis for 2 ms.
SETTLE_CHUNK_MAX = 2_000
#: Seconds after which one doorbell's task ends and leaves the rest to the next doorbell.
SETTLE_SECONDS_MAX = 20
#: Seconds for which tickets of an ended sale can be polled.
ENDED_SALE_TTL_SECONDS = 7 * 86_400
#: Seconds for one call to the line's server; with its retries, a gate's call fails in less than two seconds.
LINE_TIMEOUT_SECONDS = 0.6
#: Connections of a process to the line's server.
LINE_CONNECTIONS_MAX = 32
#: Seconds that a call waits for a free connection.
LINE_CONNECTION_WAIT_SECONDS = 2

# --- Load tests: a slow call for each order ---------------------------------------------------------------------------
#: Seconds that the simulated call takes; 0: no call.
DOWNSTREAM_DELAY_SECONDS: float = env.float("SECKILL_DOWNSTREAM_DELAY_SECONDS", default=0)
#: Concurrent calls of one process.
DOWNSTREAM_MAX_CONCURRENCY: int = env.int("SECKILL_DOWNSTREAM_MAX_CONCURRENCY", default=50)

# --- The ledger -----------------------------------------------------------------------------------------------------
#: PostgreSQL connections of one process at most.
DATABASE_POOL_SIZE: int = env.int("SECKILL_DATABASE_POOL_SIZE", default=10)
#: Seconds after which client and server give up a connection on which nothing arrives, and with it a transaction.
DATABASE_TIMEOUT_SECONDS = 5
#: Seconds after which another worker takes over a reservation.
RESERVATION_LEASE_SECONDS: float = DATABASE_TIMEOUT_SECONDS + 2 * DOWNSTREAM_DELAY_SECONDS

# --- The gate -------------------------------------------------------------------------------------------------------
#: Seconds for which a gate process reuses what it read about a line.
SNAPSHOT_TTL_SECONDS = 0.1
#: Seconds between two doorbells of a process for one sale; the second covers the buyers who joined meanwhile.
DOORBELL_INTERVAL_SECONDS = 0.1
#: Buyers that wait for one sale in a process.
BATCHER_WAITING_MAX = 20_000
#: Connections of a web process, unless it may open fewer files.
CLIENTS_MAX = 10_000
#: Bytes of all request bodies that a web process holds in memory.
BODIES_BYTES_MAX = 64 * 1024 * 1024
#: Seconds for the headers of a request, from its first byte.
HEADERS_SECONDS = 10
#: Seconds for a whole request.
BODY_SECONDS = 60
#: Seconds without a request; buyers who wait for the opening keep their connections and need no new ones in the rush.
KEEP_ALIVE_SECONDS = 75
#: Seconds for a client to read the transport's buffer, 64 KiB or more.
READING_SECONDS = 60
#: Seconds for which a public response is shared without asking Django; little, compared to the 5 s of banners.
RESPONSE_FRESH_SECONDS = 0.2
#: Seconds for which clients get a response that is no longer fresh, while one request renews it.
RESPONSE_STALE_SECONDS = 0.75

# --- Django behind the gate -------------------------------------------------------------------------------------------
#: Connections of a process that serve no view: for /readyz, /metrics, logging in, and the gate.
RESERVED_CONNECTIONS = 4
#: Threads of a process for views: one for each other connection, so that none waits for a connection.
DJANGO_THREADS = DATABASE_POOL_SIZE - RESERVED_CONNECTIONS
#: Requests that wait for a thread; a process handles about as many per second.
DJANGO_WAITING_MAX: int = env.int("SECKILL_DJANGO_WAITING_MAX", default=100)
#: Seconds that a request waits for a thread; then 503 with Retry-After.
DJANGO_WAIT_SECONDS = 3.0

# --- Accounts -------------------------------------------------------------------------------------------------------
try:
    #: Passes of one account per time.
    PASS_RATE = Rate.parse(env.str("SECKILL_THROTTLE_PASS", default="60/min"))
except ValueError as error:
    raise ImproperlyConfigured(f"SECKILL_THROTTLE_PASS: {error}") from error
#: Logins that wait in one process; a host hashes two to four passwords a second.
PASSWORD_WAITING_MAX: int = env.int("SECKILL_PASSWORD_WAITING_MAX", default=5)
#: Seconds that a login waits for the host's lock: eight processes need this long for one hash each.
PASSWORD_WAIT_SECONDS = 5.0
#: Seconds for which a login cookie is valid. Redis stores revocations for twice as long.
LOGIN_COOKIE_SECONDS = 3600
#: Entries in Redis: revoked logins and changed accounts.
REVOCATIONS_MAX = 200_000
#: Seconds for which the cache holds a copy of a session.
SESSION_COPY_SECONDS = 60

# --- Events and notifications -----------------------------------------------------------------------------------------
#: Seconds after which another worker may take an undelivered event.
OUTBOX_LEASE_SECONDS = 20
#: Seconds for each step of a request to the webhook.
WEBHOOK_TIMEOUT_SECONDS = 5
#: Seconds at most between two tries to notify buyers.
WEBHOOK_RETRY_SECONDS_MAX = 8
#: Seconds before the payment deadline at which buyers are reminded; 0: never.
REMIND_SECONDS: int = env.int("SECKILL_REMIND_SECONDS", default=120)
#: Days for which delivered events are kept.
EVENT_RETENTION_DAYS = 7

# --- Tasks ----------------------------------------------------------------------------------------------------------
#: Seconds after which Redis delivers the message of a dead worker again, and that of a slow one twice.
VISIBILITY_SECONDS = 30
#: Seconds after which workers drop a tick of beat by their own clock, so that an old queue is not worked off.
TICK_EXPIRES_SECONDS = 120
#: Seconds between two heartbeats of the leading beat.
BEAT_RENEW_SECONDS = 1
#: Seconds without a heartbeat after which a leader has lost the lead.
BEAT_LEASE_SECONDS = 3
#: Seconds between two probes of the queues.
PROBE_INTERVAL_SECONDS = 5
#: Rows of an export that are written at once; that takes half a second.
EXPORT_CHUNK_ROWS = 10_000
#: Seconds after which writing these rows is given up, by an exception.
EXPORT_CHUNK_SECONDS_MAX = 20
#: Seconds more after which a worker that did not react is killed.
EXPORT_KILL_SECONDS = 5
#: Unfinished exports of one user.
EXPORTS_UNFINISHED_MAX = 5

# --- Monitoring -------------------------------------------------------------------------------------------------------
#: Seconds between two heartbeats of a host.
HOST_HEARTBEAT_SECONDS = 15
#: Seconds without a heartbeat after which a host is reported as silent.
HOST_TIMEOUT_SECONDS = 60
#: Seconds without progress after which a sale is reported as stalled; longer than a normal pause.
STALLED_SECONDS = 15
#: Seconds after which another worker may mail an alert; longer than all retries of a mail.
MAIL_LEASE_SECONDS = 60
#: Rotated log files that are kept for each name, one a day.
LOG_FILES_MAX = 7

# --- Banners ----------------------------------------------------------------------------------------------------------
#: Seconds between two refreshes of the banner list by beat.
BANNERS_REFRESH_SECONDS = 5
#: Seconds for which the cache holds the list; without beat, requests rebuild it after this time.
BANNERS_TTL_SECONDS = 60
