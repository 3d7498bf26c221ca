"""The journal keeps the key of each call for ever: no other act is answered under it, also one that writes no entry."""

from alembic import op

revision = "budget_0014"
down_revision = "budget_0013"
branch_labels = None
depends_on = None

# Whose answer is not kept is told so, and all that was done with it is taken back.
_REFUSE = """
CREATE FUNCTION refuse_key_of_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM journal WHERE caller = NEW.caller AND key = NEW.key AND fingerprint <> NEW.fingerprint LIMIT 1;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    op.execute(_REFUSE)
    op.execute("CREATE TRIGGER answer_key_of_journal BEFORE INSERT ON answer FOR EACH ROW EXECUTE FUNCTION refuse_key_of_journal()")


def downgrade() -> None:
    raise NotImplementedError("the books are never taken back")
