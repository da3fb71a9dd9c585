"""The gate's part of the OpenAPI document. Purchase, ticket and progress are not DRF views, so they are described here.

The response schemas are generated from the classes that the gate encodes (`seckill.gate.documents`). This module adds
paths, headers and problems, and what all routes share: problem documents for errors, session and pass as security
schemes.
"""

from typing import Any

import msgspec
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from seckill.errors.problems import MEDIA_TYPE, Problem
from seckill.gate.documents import Progress, Queued, Ticket

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"
STRING: Schema = {"type": "string"}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}

# Problems of any request: rejected before routing, or failed unexpectedly.
PROBLEMS_OF_EVERY_ROUTE = (
    Problem.BAD_REQUEST,
    Problem.METHOD_NOT_ALLOWED,
    Problem.REQUEST_TIMEOUT,
    Problem.TOO_LARGE,
    Problem.URL_TOO_LONG,
    Problem.HEADERS_TOO_LARGE,
    Problem.INTERNAL,
    Problem.UNAVAILABLE,
)
OF_EVERY_SALE = (Problem.CLOSED, Problem.NOT_FOUND, Problem.RECOVERING)

PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": STRING,
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": [problem.code for problem in Problem]},
        "detail": STRING,
        "errors": {
            "type": "object",
            "description": "for `invalid`: error messages by field",
            "additionalProperties": {"type": "array", "items": STRING},
        },
        "order_status": {**STRING, "description": "for `order_decided`"},
        "state": {**STRING, "description": "for `export_not_done`"},
        "unfinished_max": {"type": "integer", "description": "for `too_many_exports`"},
        "place": {"type": "integer", "description": "for `sold_out` after a synchronous purchase"},
    },
}


def add_gate(result: Schema, **_: object) -> Schema:
    """drf-spectacular postprocessing hook. Add the gate's routes, and a default problem response to each operation."""
    components = result.setdefault("components", {}).setdefault("schemas", {})
    components |= component_schemas()
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", problem_responses("Any error."))
    result["paths"] = dict(sorted({**result["paths"], **gate_paths()}.items()))
    return result


def gate_paths() -> Schema:
    """Return the gate's routes as OpenAPI path items."""
    sale_id = {"in": "path", "name": "sale_id", "required": True, "schema": {"type": "integer"}}
    ticket = {"in": "path", "name": "ticket", "required": True, "schema": STRING, "description": "from the purchase"}
    return {
        "/api/sales/{sale_id}/purchase": {
            "post": {
                "operationId": "purchase",
                "summary": "Join the line of a sale",
                "description": "A buyer has one place per sale: repeated requests return the same place and ticket.",
                "tags": ["sales"],
                "parameters": [sale_id],
                "security": [{"pass": []}],
                "responses": {
                    "202": {
                        **json_response("The place in line, and the ticket to poll.", "Queued"),
                        "headers": {
                            **RETRY_AFTER,
                            "Location": {"schema": {"type": "string"}, "description": "URL of the ticket"},
                        },
                    },
                    **problems(
                        Problem.BAD_PASS, Problem.NOT_OPEN, Problem.PAUSED, Problem.SOLD_OUT, *OF_EVERY_SALE,
                        *PROBLEMS_OF_EVERY_ROUTE,
                    ),
                },
            }
        },
        "/api/tickets/{ticket}": {
            "get": {
                "operationId": "ticket",
                "summary": "Get the status of a place in line",
                "description": "Needs no login: the ticket grants access to the status of its place only.",
                "tags": ["tickets"],
                "parameters": [ticket],
                "responses": {
                    "200": {**json_response("The current status of the place.", "Ticket"), "headers": RETRY_AFTER},
                    **problems(*OF_EVERY_SALE, *PROBLEMS_OF_EVERY_ROUTE),
                },
            }
        },
        "/api/sales/{sale_id}/progress": {
            "get": {
                "operationId": "progress",
                "summary": "Get the progress of a sale's line",
                "description": "The response is the same for all clients and may be cached for one second.",
                "tags": ["sales"],
                "parameters": [sale_id],
                "responses": {
                    "200": json_response("The current state of the line.", "Progress"),
                    **problems(*OF_EVERY_SALE, *PROBLEMS_OF_EVERY_ROUTE),
                },
            }
        },
    }  # fmt: skip


def component_schemas() -> Schema:
    """Return the schemas of the gate's responses and of the problem document."""
    kinds = (Queued, Ticket, Progress)
    (_, ticket, _), documents = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    return documents | {"Ticket": ticket, "Problem": PROBLEM}


def json_response(description: str, component: str) -> Schema:
    """Return a JSON response object."""
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": REFERENCE.format(name=component)}}},
    }


def problems(*kinds: Problem) -> Schema:
    """Return one response object per status of these problems."""
    by_status: dict[int, list[Problem]] = {}
    for kind in kinds:
        by_status.setdefault(kind.value.status, []).append(kind)
    return {
        str(status): problem_responses(" ".join(f"`{kind.code}`: {kind.value.title}." for kind in same))
        for status, same in by_status.items()
    }


def problem_responses(description: str) -> Schema:
    """Return a problem response object."""
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(name="Problem")}}},
    }


class SessionScheme(OpenApiAuthenticationExtension):
    """OpenAPI security scheme of the session."""

    target_class = "seckill.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # noqa: ARG002 (the base class' signature)
        """Return a cookie scheme. Unlike drf-spectacular's own, its description explains the CSRF token."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": f"Set by register and login. Calls that change something also send the value of the cookie "
            f"`{settings.CSRF_COOKIE_NAME}` as `X-CSRFToken`.",
        }


class PassScheme(OpenApiAuthenticationExtension):
    """OpenAPI security scheme of the pass."""

    target_class = "seckill.api.authentication.PassAuthentication"
    name = "pass"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:  # noqa: ARG002 (the base class' signature)
        """Return a bearer scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A signed token: one buyer may buy in one sale. From `POST /api/sales/{sale_id}/pass`.",
        }
