// What the portal shows of a tenant with many people, added up where it lies. The rules are those
// of `usage_days`: a person's own sums are theirs, a tenant's are its admin's.
migrate((app) => {
  const ADMIN = "tenant = @request.auth.tenant && @request.auth.role = 'admin'";
  const SUMS = ["requests", "tokens_input", "tokens_output", "cost"]
    .map((name) => `CAST(sum(${name}) AS INTEGER) AS ${name}`)
    .join(", ");

  const view = (name, listRule, viewQuery) =>
    app.save(new Collection({ type: "view", name, listRule, viewQuery }));

  view("tenant_days", ADMIN, `
    SELECT (tenant || day || model) AS id, tenant, day, model, ${SUMS}
    FROM usage_days GROUP BY tenant, day, model`);

  view("user_months", `${ADMIN} || (tenant = @request.auth.tenant && user = @request.auth.email)`, `
    SELECT (tenant || substr(day, 1, 7) || user) AS id, tenant, user,
      CAST(substr(day, 1, 7) AS TEXT) AS month, ${SUMS}
    FROM usage_days GROUP BY tenant, user, substr(day, 1, 7)`);
}, (app) => {
  app.delete(app.findCollectionByNameOrId("user_months"));
  app.delete(app.findCollectionByNameOrId("tenant_days"));
});
