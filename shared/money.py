"""Money: whole fen of CNY, never a float. 1 yuan = 100 fen, 1 万元 = 1,000,000 fen."""

from typing import Annotated

from pydantic import Field

FEN_PER_YUAN = 100
FEN_PER_WAN = 1_000_000

# 10**15 fen is ten trillion yuan: above any budget here, and far inside BIGINT even when a million of them are added.
FEN_MAX = 10**15

Fen = Annotated[int, Field(strict=True, gt=0, le=FEN_MAX)]
FenOrZero = Annotated[int, Field(strict=True, ge=0, le=FEN_MAX)]


def yuan_text(fen: int) -> str:
    """2_000_000 fen is "20,000.00"."""
    yuan, rest = divmod(abs(fen), FEN_PER_YUAN)
    return f"{_sign(fen)}{yuan:,}.{rest:02d}"


def wan_text(fen: int) -> str:
    """Exact 万元 without trailing zeros: 3_000_000 fen is "3", 1 fen is "0.000001"."""
    wan, rest = divmod(abs(fen), FEN_PER_WAN)
    decimals = f"{rest:06d}".rstrip("0")
    return f"{_sign(fen)}{wan:,}.{decimals}" if decimals else f"{_sign(fen)}{wan:,}"


def _sign(fen: int) -> str:
    return "-" if fen < 0 else ""
