-- Roles, schemas and rights in the one database. Run as superuser inside it; harmless to repeat.
-- A role's password is the setting setup.<role>; `python -m deploy.postgres.roles` sets them from the environment.
DO $$
DECLARE
    service text;
    role_name text;
BEGIN
    -- One session a time: roles belong to the cluster, and two sessions changing one of them would collide.
    PERFORM pg_advisory_xact_lock(hashtext('roles.sql'));

    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;

    FOREACH role_name IN ARRAY ARRAY[
        'registry', 'applications', 'budget', 'notifications',
        'registry_owner', 'applications_owner', 'budget_owner', 'notifications_owner',
        'auditor'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I', role_name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %L',
            role_name, current_setting('setup.' || role_name)
        );
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role_name);
    END LOOP;

    FOREACH service IN ARRAY ARRAY['registry', 'applications', 'budget', 'notifications'] LOOP
        role_name := service || '_owner';
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, role_name);
        EXECUTE format('ALTER ROLE %I SET search_path = %I', role_name, service);
        EXECUTE format('ALTER ROLE %I SET search_path = %I', service, service);
        -- What the owner creates, its service may use; a migration takes back what a table must not allow.
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, service);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I', role_name, service, service);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO %I', role_name, service, service);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC', role_name);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT EXECUTE ON FUNCTIONS TO %I', role_name, service, service);
    END LOOP;

    -- The auditor enters the schema of the money; the migrations grant it the tables that it reads.
    GRANT USAGE ON SCHEMA budget TO auditor;
    ALTER ROLE auditor SET search_path = budget;
    ALTER ROLE auditor SET default_transaction_read_only = on;
END
$$;
