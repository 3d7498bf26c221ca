"""First step of every service's history: the mechanism's tables as they were at version 1."""

from alembic import op

from shared.tables import mechanism


def create_mechanism() -> None:
    """Create stream, outbox, outbox_sent, inbox, consumer_key, parked and answer in the schema that is being migrated."""
    mechanism.create_all(op.get_bind())
    # Rows live for seconds here; without this a busy outbox is read through its own dead rows.
    op.execute("ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)")
    op.execute("ALTER TABLE stream SET (fillfactor = 70)")
    op.execute("ALTER TABLE consumer_key SET (fillfactor = 70)")
