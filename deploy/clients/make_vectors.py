"""Writes vectors.json: calls with their canonical text and signature, by which an implementation in any language checks itself."""

import json
from pathlib import Path
from typing import Any

from deploy.clients.client import canonical_text, signature

VECTORS = Path(__file__).with_name("vectors.json")

# An example, published: no service accepts it.
SECRET = "an-example-that-no-service-accepts"  # noqa: S105

BATCH = '{"items":[{"row_reference":"2025-001","item_id":"2023-15/2"},{"row_reference":"2025-002","item_id":"2023-15/4a"}]}'
CASE = "/v1/applications/0198f0a4-7b1e-7cc0-8a55-3f6d1c2b9e10"

# Everything that is not given is empty, and the time stamp that of 2025-09-01 09:00 in UTC+8.
CALLS: dict[str, dict[str, str]] = {
    "plain GET, nothing but a path": {"audience": "registry", "method": "GET", "raw_path": "/v1/organisations"},
    "GET with one pair": {"audience": "applications", "method": "GET", "raw_path": "/v1/items", "raw_query": "on=2025-09-01"},
    "pairs are sorted, repeated names stay, equal pairs stay": {
        "audience": "registry",
        "method": "GET",
        "raw_path": "/v1/organisations",
        "raw_query": "kind=park_operator&limit=50&kind=hr_institution&jurisdiction_id=huancui&limit=50",
    },
    "sorted by bytes: capitals before small letters, a10 before a2, %E5 as it is written": {
        "audience": "registry",
        "method": "GET",
        "raw_path": "/v1/organisations",
        "raw_query": "text=%E5%8A%B3%E5%8A%A8&b=1&B=1&a2=1&a10=1&%E5=1",
    },
    "nothing is decoded: plus, %20, %2B, %2f and small hex digits stay": {
        "audience": "registry",
        "method": "GET",
        "raw_path": "/v1/organisations",
        "raw_query": "text=a+b%20c%2Bd%2fe%e5%8a%b3",
    },
    "a name without a value, and an empty value, are two different pairs": {
        "audience": "registry",
        "method": "GET",
        "raw_path": "/v1/organisations",
        "raw_query": "cursor=&cursor",
    },
    "empty pairs fall away: ? alone, && and a last & count for nothing": {
        "audience": "registry",
        "method": "GET",
        "raw_path": "/v1/organisations",
        "raw_query": "&limit=50&&kind=park_operator&",
    },
    "a percent-encoded path stays as it is written": {
        "audience": "registry",
        "method": "GET",
        "raw_path": "/v1/parks/%E7%BB%8F%E5%8C%BA%2F01%3a",
    },
    "POST with a body in UTF-8": {
        "audience": "applications",
        "method": "POST",
        "raw_path": "/v1/applications",
        "body": '{"row_reference":"2025-001","project_name":"稳岗扩岗项目"}',
        "idempotency_key": "6f6a1d2e-55b0-4f0a-9a8e-0f7f3c1f5b11",
    },
    "POST to a path with a verb after a colon": {
        "audience": "applications",
        "method": "POST",
        "raw_path": "/v1/applications:batch",
        "body": BATCH,
        "idempotency_key": "batch-2025-09-01-1",
    },
    "the same body with a blank more is another body": {
        "audience": "applications",
        "method": "POST",
        "raw_path": "/v1/applications:batch",
        "body": BATCH + " ",
        "idempotency_key": "batch-2025-09-01-1",
    },
    "POST with an empty body: the SHA-256 of nothing": {
        "audience": "notifications",
        "method": "POST",
        "raw_path": "/v1/messages/0198f0a4-7b1e-7cc0-8a55-3f6d1c2b9e11:read",
        "idempotency_key": "read-1",
    },
    "with If-Match, quotes included": {
        "audience": "applications",
        "method": "POST",
        "raw_path": f"{CASE}:withdraw",
        "body": '{"reason":"单位撤回"}',
        "if_match": '"3"',
        "idempotency_key": "withdraw-1",
    },
    "everything at once": {
        "audience": "applications",
        "method": "POST",
        "raw_path": f"{CASE}%3Acorrect",
        "raw_query": "expand=steps&dry=%E6%98%AF&expand=evidence",
        "body": '{\n  "requested_fen": 3000000,\n  "project_name": "人力资源服务创新项目"\n}\n',
        "if_match": '"12"',
        "idempotency_key": "correct-2025/09 #1",
    },
    "the method is signed in capitals": {"audience": "applications", "method": "get", "raw_path": "/v1/items"},
    "another audience, another signature": {"audience": "budget", "method": "GET", "raw_path": "/v1/items"},
}
NOTHING = {
    "audience": "",
    "method": "",
    "raw_path": "",
    "raw_query": "",
    "body": "",
    "if_match": "",
    "timestamp": "1756688400",
    "idempotency_key": "",
}


def vectors() -> list[dict[str, object]]:
    return [vector(name, call=NOTHING | given) for name, given in CALLS.items()]


def vector(name: str, *, call: dict[str, str]) -> dict[str, object]:
    as_sent: dict[str, Any] = {**call, "body": call["body"].encode()}
    text = canonical_text(**as_sent)
    return {"name": name, "secret": SECRET, "call": call, "canonical_text": text, "signature": signature(text, secret=SECRET)}


def rendered() -> str:
    return json.dumps(vectors(), ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    VECTORS.write_text(rendered(), encoding="utf-8")
