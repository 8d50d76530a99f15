"""The core: people, budgets and logins for tenants of a company that has none yet."""
