"""Applications, their history, reviews, notices, and the local copy of the registry."""

from alembic import op

from shared.migrations.mechanism import create_mechanism

revision = "applications_0001"
down_revision = None

TABLES = """
CREATE SEQUENCE case_number_seq;

CREATE SEQUENCE notice_number_seq;

CREATE TABLE application (
    id UUID NOT NULL,
    case_number TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    stage TEXT,
    round INTEGER DEFAULT '0' NOT NULL,
    waiting_on TEXT[] DEFAULT '{}' NOT NULL,
    policy_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    item_version TEXT NOT NULL,
    applicant_uscc TEXT NOT NULL,
    jurisdiction_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    caller TEXT NOT NULL,
    row_reference TEXT NOT NULL,
    portal_number TEXT,
    project_name TEXT,
    project_code TEXT,
    park_code TEXT,
    level TEXT,
    support_year INTEGER,
    requested_fen BIGINT NOT NULL,
    amount_fen BIGINT,
    filed_on DATE NOT NULL,
    received_on DATE NOT NULL,
    entered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    content JSONB NOT NULL,
    content_version INTEGER NOT NULL,
    content_fingerprint TEXT NOT NULL,
    once_key TEXT,
    due_working_days INTEGER,
    due_from_day DATE,
    due_on DATE,
    proposal_id UUID,
    fiscal_year INTEGER,
    release_target TEXT,
    release_from TEXT,
    release_reason TEXT,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    changed_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    CONSTRAINT application_pkey PRIMARY KEY (id),
    CONSTRAINT application_case_number UNIQUE (case_number),
    CONSTRAINT application_row UNIQUE (caller, row_reference),
    CONSTRAINT application_once UNIQUE (once_key),
    CONSTRAINT application_requested_positive CHECK (requested_fen > 0),
    CONSTRAINT application_amount_positive CHECK (amount_fen > 0)
);

CREATE INDEX application_by_applicant ON application (applicant_uscc, id);

CREATE INDEX application_by_change ON application (changed_xid, id);

CREATE INDEX application_by_place ON application (jurisdiction_id, id);

CREATE INDEX application_by_state ON application (state, id);

CREATE UNIQUE INDEX application_portal_number ON application (caller, portal_number) WHERE portal_number IS NOT NULL;

CREATE TABLE known_assessment (
    park_code TEXT NOT NULL,
    year INTEGER NOT NULL,
    result TEXT NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT known_assessment_pkey PRIMARY KEY (park_code, year)
);

CREATE TABLE known_organisation (
    uscc TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    jurisdiction_id TEXT NOT NULL,
    is_active BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT known_organisation_pkey PRIMARY KEY (uscc)
);

CREATE TABLE known_park (
    park_code TEXT NOT NULL,
    name TEXT NOT NULL,
    operator_uscc TEXT NOT NULL,
    jurisdiction_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT known_park_pkey PRIMARY KEY (park_code)
);

CREATE INDEX known_park_by_operator ON known_park (operator_uscc);

CREATE TABLE known_permit (
    institution_id UUID NOT NULL,
    uscc TEXT NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE,
    CONSTRAINT known_permit_pkey PRIMARY KEY (institution_id)
);

CREATE INDEX known_permit_by_uscc ON known_permit (uscc);

CREATE TABLE known_recognition (
    park_code TEXT NOT NULL,
    level TEXT NOT NULL,
    approved_on DATE NOT NULL,
    document TEXT NOT NULL,
    CONSTRAINT known_recognition_pkey PRIMARY KEY (park_code, level)
);

CREATE TABLE notice (
    id UUID NOT NULL,
    number TEXT NOT NULL,
    state TEXT NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE NOT NULL,
    closes_on DATE NOT NULL,
    opened_by TEXT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    supersedes UUID,
    rule_version TEXT NOT NULL,
    CONSTRAINT notice_pkey PRIMARY KEY (id),
    CONSTRAINT notice_number UNIQUE (number)
);

CREATE INDEX notice_by_close ON notice (state, closes_on);

CREATE TABLE policy_version (
    version TEXT NOT NULL,
    policy_id TEXT NOT NULL,
    section TEXT NOT NULL,
    first_day DATE NOT NULL,
    last_day DATE NOT NULL,
    fingerprint TEXT NOT NULL,
    CONSTRAINT policy_version_pkey PRIMARY KEY (version)
);

CREATE TABLE decision (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    application_id UUID NOT NULL,
    round INTEGER NOT NULL,
    stage TEXT NOT NULL,
    decider TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    amount_fen BIGINT,
    reason TEXT,
    officer TEXT NOT NULL,
    caller TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    "on" DATE NOT NULL,
    CONSTRAINT decision_pkey PRIMARY KEY (id),
    CONSTRAINT decision_once UNIQUE (application_id, round, stage, decider, attempt),
    CONSTRAINT decision_application FOREIGN KEY(application_id) REFERENCES application (id)
);

CREATE INDEX decision_by_application ON decision (application_id, id);

CREATE TABLE filed_version (
    application_id UUID NOT NULL,
    content_version INTEGER NOT NULL,
    content JSONB NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT filed_version_pkey PRIMARY KEY (application_id, content_version),
    CONSTRAINT filed_version_application FOREIGN KEY(application_id) REFERENCES application (id)
);

CREATE TABLE late_change (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    application_id UUID NOT NULL,
    content JSONB NOT NULL,
    difference JSONB NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    fingerprint TEXT NOT NULL,
    CONSTRAINT late_change_pkey PRIMARY KEY (id),
    CONSTRAINT late_change_once UNIQUE (application_id, fingerprint),
    CONSTRAINT late_change_application FOREIGN KEY(application_id) REFERENCES application (id)
);

CREATE TABLE notice_case (
    notice_id UUID NOT NULL,
    application_id UUID NOT NULL,
    applicant_uscc TEXT NOT NULL,
    applicant_name TEXT NOT NULL,
    item_id TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    CONSTRAINT notice_case_pkey PRIMARY KEY (notice_id, application_id),
    CONSTRAINT notice_case_notice FOREIGN KEY(notice_id) REFERENCES notice (id),
    CONSTRAINT notice_case_application FOREIGN KEY(application_id) REFERENCES application (id)
);

CREATE INDEX notice_case_by_application ON notice_case (application_id);

CREATE TABLE objection (
    id UUID NOT NULL,
    notice_id UUID NOT NULL,
    application_id UUID NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    grounds TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    entered_by TEXT NOT NULL,
    entered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    reason TEXT,
    CONSTRAINT objection_pkey PRIMARY KEY (id),
    CONSTRAINT objection_notice FOREIGN KEY(notice_id) REFERENCES notice (id),
    CONSTRAINT objection_application FOREIGN KEY(application_id) REFERENCES application (id)
);

CREATE INDEX objection_by_case ON objection (application_id, state);

CREATE TABLE step (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    application_id UUID NOT NULL,
    case_version INTEGER NOT NULL,
    action TEXT NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    stage TEXT,
    caller TEXT NOT NULL,
    officer TEXT,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    "on" DATE NOT NULL,
    reason TEXT,
    clause TEXT NOT NULL,
    rule_version TEXT NOT NULL,
    facts JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT step_pkey PRIMARY KEY (id),
    CONSTRAINT step_application FOREIGN KEY(application_id) REFERENCES application (id)
);

CREATE INDEX step_by_application ON step (application_id, id)
"""

# The changed-since feed reads by transaction, so that no row is passed over while its transaction is still open.
CHANGED = """
CREATE FUNCTION application_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_xid := pg_current_xact_id();
    RETURN NEW;
END $$;

CREATE TRIGGER application_changed BEFORE UPDATE ON application FOR EACH ROW EXECUTE FUNCTION application_changed();
"""

# The history is written once: not even this service changes or removes a step or a decision.
WRITTEN_ONCE = """
REVOKE UPDATE, DELETE, TRUNCATE ON step, decision, filed_version, late_change FROM applications
"""


def upgrade() -> None:
    create_mechanism()
    for script in (TABLES, CHANGED):
        for statement in script.split(";\n\n"):
            op.execute(statement)
    op.execute(WRITTEN_ONCE)


def downgrade() -> None:
    raise NotImplementedError("history is not undone; write a new revision")
