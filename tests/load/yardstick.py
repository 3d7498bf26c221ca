"""The yardstick: filing as a plain FastAPI and SQLAlchemy ORM service does it. It signs nothing, repeats nothing and checks little.

Run as `python -m tests.load.yardstick` with YARDSTICK_DATABASE_URL and YARDSTICK_PORT; it makes its own schema and applicants.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import BigInteger, ForeignKey, MetaData, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.load.series import APPLICANTS

SCHEMA = "yardstick"
# As many as the HTTP process that it is compared with has.
CONNECTIONS_MAX = 10


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA)


class Applicant(Base):
    __tablename__ = "applicant"

    id: Mapped[int] = mapped_column(primary_key=True)
    uscc: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[str]


class Application(Base):
    __tablename__ = "application"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    row_reference: Mapped[str] = mapped_column(unique=True)
    item_id: Mapped[str]
    applicant_id: Mapped[int] = mapped_column(ForeignKey("yardstick.applicant.id"), index=True)
    jurisdiction_id: Mapped[str] = mapped_column(index=True)
    filed_on: Mapped[date]
    requested_fen: Mapped[int] = mapped_column(BigInteger)
    project_name: Mapped[str | None]
    project_code: Mapped[str | None]
    park_code: Mapped[str | None]
    level: Mapped[str | None]
    support_year: Mapped[int | None]
    portal_number: Mapped[str | None]
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OutboxEvent(Base):
    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    topic: Mapped[str]
    key: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class EvidenceIn(BaseModel):
    kind: str
    name: str
    sha256: str
    size_bytes: int


class ApplicationIn(BaseModel):
    row_reference: str
    item_id: str
    applicant_uscc: str = Field(min_length=18, max_length=18)
    jurisdiction_id: str
    filed_on: date
    requested_fen: int = Field(gt=0)
    project_name: str | None = None
    project_code: str | None = None
    park_code: str | None = None
    level: str | None = None
    support_year: int | None = None
    portal_number: str | None = None
    evidence: list[EvidenceIn]


class ApplicationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    row_reference: str
    state: str


def create_app(database_url: str) -> FastAPI:
    engine = create_async_engine(database_url, pool_size=CONNECTIONS_MAX, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await create_schema(engine)
        yield
        await engine.dispose()

    async def open_session() -> AsyncIterator[AsyncSession]:
        async with sessions() as session:
            yield session

    app = FastAPI(lifespan=lifespan)

    @app.get("/health/ready")
    async def get_readiness() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/applications", status_code=201, response_model=ApplicationOut)
    async def create_application(body: ApplicationIn, session: Annotated[AsyncSession, Depends(open_session)]) -> Application:
        applicant = await session.scalar(select(Applicant).where(Applicant.uscc == body.applicant_uscc))
        if applicant is None:
            raise HTTPException(404, "applicant not found")
        application = Application(id=uuid.uuid4(), applicant_id=applicant.id, state="filed", **body.model_dump(exclude={"applicant_uscc"}))
        event = OutboxEvent(topic="applications", key=str(application.id), payload=body.model_dump(mode="json"))
        session.add_all([application, event])
        await session.commit()
        return application

    return app


async def create_schema(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        await connection.run_sync(Base.metadata.create_all)
        applicants = [{"uscc": uscc, "name": f"示例机构{uscc}", "kind": "enterprise"} for uscc in APPLICANTS]
        await connection.execute(insert(Applicant).on_conflict_do_nothing(), applicants)


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
