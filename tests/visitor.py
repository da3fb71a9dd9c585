"""A patient visitor: sends requests to a shop of real processes, with long time-outs for slow machines."""

from functools import partial

import httpx

from devtools.waiting import WAIT_SECONDS_MAX

get = partial(httpx.get, timeout=WAIT_SECONDS_MAX)
post = partial(httpx.post, timeout=WAIT_SECONDS_MAX)
