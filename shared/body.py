"""Reading a request's body: within its limit, and as JSON without the parts that RFC 8259 leaves open."""

import json
import re
from typing import Any

from starlette.requests import Request

from shared.errors import Malformed, TooLarge

BODY_BYTES_MAX = 1024 * 1024
BATCH_BYTES_MAX = 5 * 1024 * 1024

# Escapes that may stand for U+0000 or for half of a surrogate pair; only a body that has one is looked through.
_ODD_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class BodyTooLarge(TooLarge):
    code = "body-too-large"
    title_en = "The request is too large"
    title_zh = "请求内容过大"
    remedy_en = "Send fewer rows a call."
    remedy_zh = "请减少单次提交的数量，分批提交。"


class BodyUnreadable(Malformed):
    code = "body-unreadable"
    title_en = "The body is not JSON"
    title_zh = "请求内容不是有效的JSON"


class BodyUnread(Malformed):
    code = "body-unread"
    title_en = "Nothing is read of a body here"
    title_zh = "此接口不读取请求内容"
    remedy_en = "Send it without a body; what this address knows is in its path, query and headers."
    remedy_zh = "请去掉请求内容；此接口只读取地址、查询参数和请求头。"


class TextUnstorable(Malformed):
    code = "text-unstorable"
    title_en = "The request holds a character that is no text"
    title_zh = "请求含有无法保存的字符"
    remedy_en = "Remove the character U+0000 and halves of surrogate pairs."
    remedy_zh = "请删除空字符（U+0000）和不成对的代理字符后重新提交。"


async def read_body(request: Request, *, bytes_max: int) -> bytes:
    """Stop reading at the limit; the body is kept on the request for whoever parses it."""
    if _declared_bytes(request) > bytes_max:
        raise _too_large(bytes_max)
    chunks, size, is_more = [], 0, True
    while is_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BodyUnreadable("The connection ended before the body did.", detail_zh="连接在请求内容发送完之前中断。")
        chunk, is_more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > bytes_max:
            raise _too_large(bytes_max)
        chunks.append(chunk)
    request._body = b"".join(chunks)  # where Starlette itself keeps a body that was read
    return request._body


def _declared_bytes(request: Request) -> int:
    declared = request.headers.get("content-length", "0")
    if not declared.isascii() or not declared.isdigit() or len(declared) > 18:
        raise BodyUnreadable("Content-Length is not a number of bytes.", detail_zh="Content-Length 不是有效的字节数。")
    return int(declared)


def _too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(f"At most {bytes_max} bytes are taken here.", detail_zh=f"此接口单次最多接收{bytes_max}字节。")


def read_json(body: bytes) -> Any:
    """UTF-8 only, no name twice in an object, no NaN or Infinity, nothing that a database could not hold as text."""
    try:
        written = body.decode("utf-8")
        value = json.loads(written, object_pairs_hook=_refuse_repeats, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise _unreadable(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise _unreadable("it is nested too deeply") from error
    except ValueError as error:
        raise _unreadable(str(error)) from error
    if _ODD_ESCAPE.search(written):
        _refuse_odd_characters(value)
    return value


def refuse_unread(body: bytes) -> None:
    """Where no body is read, a reason or a dry_run in one would be taken for granted and passed over. An empty object says nothing."""
    if body.strip() not in (b"", b"{}"):
        raise BodyUnread("The request has a body that nobody would look at.", detail_zh="请求含有不会被处理的内容，未予办理。")


def refuse_odd_address(request: Request) -> None:
    """The same for the path and the query: %00 is no text for any database."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise _unstorable()


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice in one object")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _refuse_odd_characters(value: Any) -> None:
    match value:
        case str() if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise _unstorable()
        case dict():
            for name, member in value.items():
                _refuse_odd_characters(name)
                _refuse_odd_characters(member)
        case list():
            for member in value:
                _refuse_odd_characters(member)


def _unreadable(reason: str) -> BodyUnreadable:
    return BodyUnreadable(f"The body could not be read as JSON: {reason}.", detail_zh="请求内容无法按JSON解析。")


def _unstorable() -> TextUnstorable:
    return TextUnstorable("U+0000 or half of a surrogate pair was found.", detail_zh="请求中含有空字符（U+0000）或不成对的代理字符。")
