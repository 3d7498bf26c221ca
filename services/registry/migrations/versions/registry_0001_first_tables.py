"""The registry's tables as they were at version 1."""

from alembic import op

from shared.migrations.mechanism import create_mechanism

revision = "registry_0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE organisation (
        uscc text NOT NULL,
        kind text NOT NULL,
        name text NOT NULL,
        jurisdiction_id text NOT NULL,
        status text NOT NULL,
        ended_on date,
        ending_cause text,
        version integer NOT NULL,
        registered_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL,
        CONSTRAINT organisation_pkey PRIMARY KEY (uscc),
        CONSTRAINT organisation_status CHECK (status IN ('active', 'ended')),
        CONSTRAINT organisation_ending CHECK ((status = 'ended') = (ended_on IS NOT NULL AND ending_cause IS NOT NULL))
    )
    """,
    "CREATE INDEX organisation_jurisdiction_id_uscc_idx ON organisation (jurisdiction_id, uscc)",
    """
    CREATE TABLE contact (
        uscc text NOT NULL,
        contact_name text NOT NULL,
        mobile text NOT NULL,
        recorded_at timestamptz NOT NULL,
        recorded_by text NOT NULL,
        CONSTRAINT contact_pkey PRIMARY KEY (uscc),
        CONSTRAINT contact_uscc_fkey FOREIGN KEY (uscc) REFERENCES organisation (uscc)
    )
    """,
    """
    CREATE TABLE institution (
        id uuid NOT NULL,
        uscc text NOT NULL,
        basis text NOT NULL,
        number text NOT NULL,
        number_as_written text NOT NULL,
        scope text[] NOT NULL,
        first_day date NOT NULL,
        last_day date,
        ended_on date,
        ending_cause text,
        version integer NOT NULL,
        recorded_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL,
        CONSTRAINT institution_pkey PRIMARY KEY (id),
        CONSTRAINT institution_uscc_fkey FOREIGN KEY (uscc) REFERENCES organisation (uscc),
        CONSTRAINT institution_basis_number_key UNIQUE (basis, number),
        CONSTRAINT institution_basis CHECK (basis IN ('permit', 'filing')),
        CONSTRAINT institution_term CHECK (last_day >= first_day),
        CONSTRAINT institution_ending CHECK ((ended_on IS NULL) = (ending_cause IS NULL))
    )
    """,
    "CREATE INDEX institution_uscc_idx ON institution (uscc)",
    """
    CREATE TABLE park (
        code text NOT NULL,
        name text NOT NULL,
        operator_uscc text NOT NULL,
        jurisdiction_id text NOT NULL,
        version integer NOT NULL,
        registered_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text NOT NULL,
        CONSTRAINT park_pkey PRIMARY KEY (code),
        CONSTRAINT park_operator_uscc_fkey FOREIGN KEY (operator_uscc) REFERENCES organisation (uscc)
    )
    """,
    "CREATE INDEX park_operator_uscc_idx ON park (operator_uscc)",
    """
    CREATE TABLE recognition (
        park_code text NOT NULL,
        level text NOT NULL,
        approved_on date NOT NULL,
        document text NOT NULL,
        recorded_at timestamptz NOT NULL,
        recorded_by text NOT NULL,
        CONSTRAINT recognition_pkey PRIMARY KEY (park_code, level),
        CONSTRAINT recognition_park_code_fkey FOREIGN KEY (park_code) REFERENCES park (code),
        CONSTRAINT recognition_level CHECK (level IN ('national', 'provincial', 'city'))
    )
    """,
    """
    CREATE TABLE assessment (
        park_code text NOT NULL,
        year smallint NOT NULL,
        result text NOT NULL,
        document text NOT NULL,
        recorded_at timestamptz NOT NULL,
        recorded_by text NOT NULL,
        CONSTRAINT assessment_pkey PRIMARY KEY (park_code, year),
        CONSTRAINT assessment_park_code_fkey FOREIGN KEY (park_code) REFERENCES park (code),
        CONSTRAINT assessment_result CHECK (result IN ('passed', 'failed'))
    )
    """,
)


def upgrade() -> None:
    create_mechanism()
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("Restore a backup: going back would drop recorded facts.")
