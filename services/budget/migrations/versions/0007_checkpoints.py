"""Checkpoints of the journal, the stored levels of its Merkle tree, and who took which export."""

from alembic import op

revision = "budget_0007"
down_revision = "budget_0006"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE checkpoint_key (
        id TEXT NOT NULL,
        public_key TEXT NOT NULL,
        first_used_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT checkpoint_key_pkey PRIMARY KEY (id)
    )
    """,
    """
    CREATE TABLE checkpoint (
        seq BIGINT NOT NULL,
        root BYTEA NOT NULL,
        chain BYTEA NOT NULL,
        booked_at TIMESTAMP WITH TIME ZONE NOT NULL,
        made_at TIMESTAMP WITH TIME ZONE NOT NULL,
        key_id TEXT NOT NULL,
        note TEXT NOT NULL,
        CONSTRAINT checkpoint_pkey PRIMARY KEY (seq),
        CONSTRAINT checkpoint_key_id_fkey FOREIGN KEY(key_id) REFERENCES checkpoint_key (id),
        CONSTRAINT checkpoint_of_something CHECK (seq > 0),
        CONSTRAINT checkpoint_hashes CHECK (length(root) = 32 AND length(chain) = 32)
    )
    """,
    """
    CREATE TABLE merkle_node (
        level SMALLINT NOT NULL,
        place BIGINT NOT NULL,
        hash BYTEA NOT NULL,
        CONSTRAINT merkle_node_pkey PRIMARY KEY (level, place),
        CONSTRAINT merkle_node_hash_size CHECK (length(hash) = 32)
    )
    """,
    """
    CREATE TABLE evidence_export (
        id BIGINT GENERATED ALWAYS AS IDENTITY,
        kind TEXT NOT NULL,
        fiscal_year INTEGER,
        until_seq BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        taken_by TEXT NOT NULL,
        taken_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT evidence_export_pkey PRIMARY KEY (id),
        CONSTRAINT evidence_export_kind_known CHECK (kind IN ('journal', 'pack'))
    )
    """,
)
_APPEND_ONLY = ("checkpoint_key", "checkpoint", "merkle_node", "evidence_export")


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)
    for table in _APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"REVOKE UPDATE, DELETE ON {table} FROM budget")
        op.execute(f"GRANT SELECT ON {table} TO auditor")


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
