-- Brings roles, databases and passwords to what the tenant says, whatever they were before.
-- Passwords must not reach the log, not with a failing statement either.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
-- A role is a member already at the second start.
SET client_min_messages = 'warning';

\set roles `cat /etc/cloudfreedom/postgres/roles.json`
CREATE TEMPORARY TABLE roles AS
SELECT * FROM jsonb_to_recordset(:'roles') AS (
    name text, owns_database boolean, visits boolean, member_of text[]
);

SELECT format('CREATE ROLE %I', name) FROM roles
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT format('CREATE DATABASE %I OWNER %I', name, name) FROM roles
WHERE owns_database AND NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

SELECT format(
    'ALTER ROLE %I WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L',
    name, rtrim(pg_read_file(format('/run/secrets/%s-database', name)), E'\n')
) FROM roles \gexec
SELECT format('GRANT %I TO %I', member, name) FROM roles, unnest(member_of) AS member \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
WHERE datname = 'postgres' OR datname IN (SELECT name FROM roles WHERE owns_database) \gexec
SELECT format('GRANT CONNECT ON DATABASE postgres TO %I', name) FROM roles
WHERE NOT owns_database AND NOT visits \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', owner.name, visitor.name)
FROM roles AS owner, roles AS visitor WHERE owner.owns_database AND visitor.visits \gexec
