"""The key of an act: one key, one content, wherever it was sent to."""

from shared.errors import Refusal


class KeyReused(Refusal):
    code = "idempotency-key-reused"
    title_en = "This Idempotency-Key belongs to another request"
    title_zh = "该幂等键已用于其他请求"


def key_reused(key: str) -> KeyReused:
    return KeyReused(f"Key {key} was used with other content.", detail_zh=f"幂等键 {key} 曾用于内容不同的请求。")
