"""First tables: copies, messages, portal records."""

from alembic import op

from shared.migrations.mechanism import create_mechanism

revision = "notifications_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_mechanism()
    for statement in (*COPIES, *MESSAGES, *PORTAL):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("what was told cannot be untold; restore a backup instead")


COPIES = (
    """
    CREATE TABLE known_case (
        application_id UUID NOT NULL,
        case_number TEXT NOT NULL,
        applicant_uscc TEXT NOT NULL,
        jurisdiction_id TEXT NOT NULL,
        item_id TEXT NOT NULL,
        item_title_zh TEXT NOT NULL,
        item_short_name_zh TEXT NOT NULL,
        channel TEXT NOT NULL,
        portal_number TEXT,
        filed_on DATE NOT NULL,
        CONSTRAINT known_case_pkey PRIMARY KEY (application_id)
    )
    """,
    """
    CREATE TABLE known_organisation (
        uscc TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        CONSTRAINT known_organisation_pkey PRIMARY KEY (uscc)
    )
    """,
    """
    CREATE TABLE contact (
        uscc TEXT NOT NULL,
        contact_name TEXT NOT NULL,
        mobile TEXT NOT NULL,
        CONSTRAINT contact_pkey PRIMARY KEY (uscc)
    )
    """,
)

MESSAGES = (
    """
    CREATE TABLE message (
        id UUID NOT NULL,
        application_id UUID NOT NULL,
        case_number TEXT NOT NULL,
        case_version INTEGER NOT NULL,
        event_type TEXT NOT NULL,
        uscc TEXT NOT NULL,
        jurisdiction_id TEXT NOT NULL,
        title TEXT NOT NULL,
        body TEXT NOT NULL,
        next_step TEXT NOT NULL,
        remedy TEXT,
        happened_at TIMESTAMPTZ NOT NULL,
        happened_on DATE NOT NULL,
        read_at TIMESTAMPTZ,
        read_by TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        CONSTRAINT message_pkey PRIMARY KEY (id),
        CONSTRAINT message_once UNIQUE (application_id, case_version, event_type),
        CONSTRAINT message_read_by_somebody CHECK ((read_at IS NULL) = (read_by IS NULL))
    )
    """,
    "CREATE INDEX message_by_uscc ON message (uscc, id)",
    "CREATE INDEX message_by_jurisdiction ON message (jurisdiction_id, id)",
    "CREATE INDEX message_by_case ON message (case_number, id)",
    # What an organisation was told stays as it was told: only the mark of reading is ever added.
    "REVOKE UPDATE, DELETE ON message FROM notifications",
    "GRANT UPDATE (read_at, read_by) ON message TO notifications",
)

PORTAL = (
    """
    CREATE TABLE portal_case (
        application_id UUID NOT NULL,
        projid TEXT NOT NULL,
        applicant_uscc TEXT NOT NULL,
        applicant_named BOOLEAN NOT NULL,
        accepted BOOLEAN NOT NULL,
        node_started_at TIMESTAMPTZ NOT NULL,
        last_sn INTEGER NOT NULL,
        basic_dataver INTEGER NOT NULL,
        done_dataver INTEGER NOT NULL,
        last_position INTEGER NOT NULL,
        accepted_position INTEGER NOT NULL,
        next_try_at TIMESTAMPTZ,
        claim BIGINT NOT NULL DEFAULT 0,
        CONSTRAINT portal_case_pkey PRIMARY KEY (application_id),
        CONSTRAINT portal_case_projid UNIQUE (projid),
        CONSTRAINT portal_case_accepted_in_order CHECK (accepted_position BETWEEN 0 AND last_position),
        CONSTRAINT portal_case_waiting_is_due CHECK (next_try_at IS NOT NULL OR accepted_position = last_position),
        CONSTRAINT portal_case_projid_length CHECK (length(projid) BETWEEN 1 AND 50)
    )
    """,
    "CREATE INDEX portal_case_due ON portal_case (next_try_at) WHERE next_try_at IS NOT NULL",
    """
    CREATE TABLE portal_record (
        id UUID NOT NULL,
        application_id UUID NOT NULL,
        position INTEGER NOT NULL,
        case_number TEXT NOT NULL,
        jurisdiction_id TEXT NOT NULL,
        case_version INTEGER NOT NULL,
        event_type TEXT NOT NULL,
        kind TEXT NOT NULL,
        sn INTEGER NOT NULL,
        dataver INTEGER NOT NULL,
        special TEXT,
        content JSONB NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting',
        attempts INTEGER NOT NULL DEFAULT 0,
        last_answer TEXT,
        created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
        accepted_at TIMESTAMPTZ,
        CONSTRAINT portal_record_pkey PRIMARY KEY (id),
        CONSTRAINT portal_record_application_id_fkey FOREIGN KEY (application_id) REFERENCES portal_case (application_id),
        CONSTRAINT portal_record_place UNIQUE (application_id, position),
        CONSTRAINT portal_record_once UNIQUE (application_id, kind, sn, dataver),
        CONSTRAINT portal_record_kind CHECK (kind IN ('basic', 'process', 'special', 'done')),
        CONSTRAINT portal_record_state CHECK (state IN ('waiting', 'failing', 'accepted')),
        CONSTRAINT portal_record_accepted_at CHECK ((state = 'accepted') = (accepted_at IS NOT NULL))
    )
    """,
    "CREATE INDEX portal_record_by_jurisdiction ON portal_record (jurisdiction_id, id)",
    "CREATE INDEX portal_record_by_case ON portal_record (case_number, id)",
    # What is reported is never rewritten, so that every try sends the same; only the answers are added.
    "REVOKE UPDATE, DELETE ON portal_record FROM notifications",
    "GRANT UPDATE (state, attempts, last_answer, accepted_at) ON portal_record TO notifications",
)
