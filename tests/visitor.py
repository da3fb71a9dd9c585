"""A visitor with patience: asks a shop of real processes, which may be slow to answer on a slow machine."""

from functools import partial

import httpx

from devtools.embedded.shop import WAIT_SECONDS_MAX

get = partial(httpx.get, timeout=WAIT_SECONDS_MAX)
post = partial(httpx.post, timeout=WAIT_SECONDS_MAX)
