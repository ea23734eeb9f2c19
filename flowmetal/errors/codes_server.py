"""Errors of the server (FM134x) and of what is asked of it over HTTP (FM135x).

How to read a row: code, what happened in one line, what to do about it.
"""

from __future__ import annotations

from flowmetal.errors import ErrorCode

# fmt: off
CODES = (
    ErrorCode("FM1340", "A server beyond this machine needs a token",
              "Whoever reaches the API can start programs. Put a token of 16 characters or more into $FLOWMETAL_TOKEN (or --token), or stay on 127.0.0.1 behind a reverse proxy.",
              "fmvm serve --host 0.0.0.0", "FLOWMETAL_TOKEN=$(openssl rand -hex 32) fmvm serve --host 0.0.0.0"),
    ErrorCode("FM1341", "The server cannot take its address",
              "Another process listens there, the address is not of this machine, or the port needs more permissions. `--port 0` takes a free one."),
    ErrorCode("FM1342", "The server is not installed",
              'It needs two packages more: `pip install "flowmetal[server]"`.'),
    ErrorCode("FM1343", "An option of the server is not understood",
              "`--public-url` is the address that the world uses, such as https://flow.example.com; `--webhook-secrets` names a file with one secret to a line, `whsec_` and base64; `--only` takes api, callbacks, connectors and interpreter.",
              "fmvm serve --public-url flow.example.com", "fmvm serve --public-url https://flow.example.com"),
    ErrorCode("FM1350", "The request is not understood",
              "Bodies of the API are JSON objects with `Content-Type: application/json`. docs/http.md lists the fields of each; others are refused, so that a typing mistake is not passed over."),
    ErrorCode("FM1351", "The body of the request is too large",
              "The server was started with a limit (--max-body, 1 MiB if nothing is said; programs may be 64 times as large). Keep large things elsewhere and send where they are."),
    ErrorCode("FM1352", "There is nothing at this address, or not for this method",
              "docs/http.md lists the addresses. A GET never changes anything, so callbacks take POST alone."),
    ErrorCode("FM1353", "The request is not allowed",
              "The API needs `Authorization: Bearer TOKEN` if the server has a token. Names in the Host header must be those of the server (--public-url, --allow-host), and pages of other origins may not use the API."),
    ErrorCode("FM1354", "The signature of the request is wrong",
              "The server was started with --webhook-secrets, so deliveries are signed as Standard Webhooks has it: the headers webhook-id, webhook-timestamp (not older or newer than five minutes) and webhook-signature."),
    ErrorCode("FM1355", "The request came too slowly",
              "The headers have to be there within 10 s, the body within 30 s; when the server ends, all of it within 10 s. Send it again."),
    ErrorCode("FM1356", "The task is another's now",
              "The lease of the attempt was over, or nobody waits for the task any more. Stop working on it; another attempt may have begun."),
    ErrorCode("FM1357", "The server has an error of its own",
              "The details are in its log, under the id in the message. Please report them."),
)
# fmt: on
