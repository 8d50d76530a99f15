-- Brings roles, databases and passwords to what the tenant says, whatever they were before.
-- Passwords must not reach the log, not with a failing statement either.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;

\set litellm_password `cat /run/secrets/litellm-database`
\set openwebui_password `cat /run/secrets/openwebui-database`

SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['litellm', 'openwebui']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
SELECT format('CREATE DATABASE %I OWNER %I', name, name)
FROM unnest(ARRAY['litellm', 'openwebui']) AS name
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name) \gexec

ALTER ROLE litellm WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'litellm_password';
ALTER ROLE openwebui WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'openwebui_password';
REVOKE ALL ON DATABASE postgres, litellm, openwebui FROM PUBLIC;
