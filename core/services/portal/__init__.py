"""The portal: people see their budget and usage, and a tenant's admin sets budgets."""
