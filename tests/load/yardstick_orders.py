"""The yardstick of payment orders: a plain FastAPI service that calls one database function a request, over a pool.

It asks nobody who they are, repeats nothing and hashes nothing. Run as `python -m tests.load.yardstick_orders` with YARDSTICK_DATABASE_URL
and YARDSTICK_PORT; the function is the one of yardstick_ledger.sql.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

POOL = 8
PATH = "/payment-orders/{order_id}/approve"
APPROVER = "staff:load-approver"


class Approved(BaseModel):
    id: uuid.UUID
    state: str
    bank_reference: str
    version: int


def create_app(database_url: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, min_size=POOL, max_size=POOL) as app.state.pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/health/ready")
    async def get_readiness() -> dict[str, str]:
        return {"status": "ready"}

    @app.post(PATH)
    async def approve(order_id: uuid.UUID) -> Approved:
        row = await app.state.pool.fetchrow("SELECT * FROM budget.yardstick_order($1, $2)", order_id, APPROVER)
        if row is None:
            raise HTTPException(409, "no such order waits for approval")
        return Approved(**row)

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(os.environ["YARDSTICK_DATABASE_URL"]),
        port=int(os.environ["YARDSTICK_PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
        server_header=False,
    )
