"""What people see of their budget and their usage, and where a tenant's admin sets budgets."""
