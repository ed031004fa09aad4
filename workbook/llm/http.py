"""One request to a server that may be slow, busy, broken or wrong: what to try again, and what to say.

Some failures pass by themselves (a busy server, a dropped connection) and are tried again, after a pause
that doubles. Others come back the same however often one asks (a wrong key, a wrong address), and trying
them again only hides the reason. Every failure ends as an `LLMError` that names its cause.

Taught in 12.
"""

import email.utils
import http.client
import json
import os
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

TRY_AGAIN = {408, 425, 429}  # and all server errors, from 500 on
LONGEST_WAIT = 120.0  # seconds; who is told to wait longer should decide it, not sit in a cell
_jitter = random.Random()  # our own, so that the global random state stays as it is


class LLMError(RuntimeError):
    """A model gave no usable answer; the message says what came and what to do."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Followed, a redirect would carry the key to a host that nobody named."""

    def redirect_request(self, *args: Any) -> None:
        return None


def post_json(
    url: str,
    body: Mapping[str, Any],
    api_key_variable: str | None = None,
    timeout: float = 60.0,
    retries: int = 4,
    backoff: float = 1.0,
    stop: threading.Event | None = None,
) -> Any:
    """Send JSON and read JSON; try again where that can help.

    Tried again are timeouts, dropped connections, 408, 425, 429 and server errors (5xx), after
    backoff · 2^attempt seconds, or as long as the server says in Retry-After. Other refusals, and answers
    that are not JSON, come back the same and are raised at once. Redirects are not followed.

    Args:
        url: where to.
        body: what to send.
        api_key_variable: name of the environment variable with the key, sent as a bearer token. The key is
            read for each request, never kept, and blotted out in error messages.
        timeout: seconds for one attempt, from the first byte sent to the last one read.
        retries: attempts after the first.
        backoff: seconds before the first retry.
        stop: when it is set, waiting ends and nothing is tried again.
    Returns:
        the decoded answer.
    Raises:
        LLMError: no usable answer came, or the environment variable is not set.
        ValueError: url is no http or https address.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"expected an address that begins with http:// or https://, got {url!r}")
    key = None
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "embedding-workbook"}
    if api_key_variable is not None:
        key = os.environ.get(api_key_variable, "").strip()
        if not key:
            raise LLMError(f"the environment variable {api_key_variable} is not set; put your key for {url} there")
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    stop = stop or threading.Event()
    for attempt in range(retries + 1):
        pause = backoff * 2**attempt * (1 + 0.25 * _jitter.random())
        try:
            return _decoded(_exchange(request, timeout), url)
        except urllib.error.HTTPError as error:
            problem = _blotted(f"{url} answered {error.code}: {_message(error)}", key)
            if error.code not in TRY_AGAIN and error.code < 500:
                raise LLMError(f"{problem}; {_advice(error.code)}") from None
            asked = _retry_after(error.headers.get("Retry-After"))
            if asked is not None and asked > LONGEST_WAIT:
                raise LLMError(f"{problem}; it asks to wait {asked:.0f} s, so run this again later") from None
            pause = pause if asked is None else asked
        except TimeoutError:
            problem = f"{url} did not answer within {timeout:g} s; give a longer timeout, or ask for fewer tokens"
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError):
                problem = f"{url} did not accept a connection within {timeout:g} s; is the address right?"
            else:
                problem = _blotted(f"the connection to {url} failed ({reason!r}); is the server running?", key)
        if attempt < retries and stop.wait(pause):
            raise LLMError(f"stopped while waiting to try {url} again")
    raise LLMError(f"gave up after {retries + 1} attempts: {problem}")


def _exchange(request: urllib.request.Request, timeout: float) -> bytes:
    """The body of the answer. The socket's timeout is for each read; a trickle would never end by it."""
    deadline = time.monotonic() + timeout
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=timeout) as response:
        chunks = []
        while chunk := response.read1(65536):
            chunks.append(chunk)
            if time.monotonic() > deadline:
                raise TimeoutError
        body, length = b"".join(chunks), response.headers.get("Content-Length")
        if length is not None and len(body) < int(length):  # read1 does not say so
            raise http.client.IncompleteRead(body, int(length) - len(body))
        return body


def _decoded(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        start = body[:200].decode("utf-8", "replace")
        raise LLMError(f"{url} answered with something that is not JSON: {start!r}; is the address right?") from None


def _message(error: urllib.error.HTTPError) -> str:
    """What the server says, wherever it put it."""
    if 300 <= error.code < 400:
        return f"redirect to {error.headers.get('Location')}"
    try:
        text = error.read(65536).decode("utf-8", "replace")
        value = json.loads(text)
    except (OSError, http.client.HTTPException):
        return "nothing"
    except ValueError:
        return text.strip()[:300] or "nothing"
    for name in ("error", "message", "detail"):
        value = value.get(name, value) if isinstance(value, dict) else value
    return str(value)[:300]


def _advice(status: int) -> str:
    if 300 <= status < 400:
        return "redirects are not followed, give the final address as base_url"
    if status in (401, 403):
        return "check the key, and the name of the environment variable that holds it"
    return "check base_url and the model's name" if status == 404 else "change the request as it says"


def _blotted(text: str, key: str | None) -> str:
    return text.replace(key, "***") if key else text


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number of seconds or a date."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if seconds == seconds else None
