// What the portal shows of a tenant with many people, added up where it lies. Only its admin sees
// them: what is a person's own is in `usage_days`, which has a few lines a day of each.
migrate((app) => {
  const ADMIN = "tenant = @request.auth.tenant && @request.auth.role = 'admin'";
  const MONTH = "CAST(substr(day, 1, 7) AS TEXT)";
  const SUMS = ["requests", "tokens_input", "tokens_output", "cost"]
    .map((name) => `CAST(sum(${name}) AS INTEGER) AS ${name}`)
    .join(", ");

  // By which SQLite finds a month of a tenant without reading its years.
  const days = app.findCollectionByNameOrId("usage_days");
  days.addIndex("usage_days_month", false, `tenant, ${MONTH}`, "");
  app.save(days);

  const view = (name, key) => app.save(new Collection({
    type: "view",
    name,
    listRule: ADMIN,
    viewRule: ADMIN,
    viewQuery: `
      SELECT (tenant || ${MONTH} || ${key.join(" || ")}) AS id,
        tenant, ${MONTH} AS month, ${key.join(", ")}, ${SUMS}
      FROM usage_days GROUP BY tenant, ${MONTH}, ${key.join(", ")}`,
  }));
  view("tenant_days", ["day", "model"]);
  view("tenant_users", ["user"]);
}, (app) => {
  app.delete(app.findCollectionByNameOrId("tenant_users"));
  app.delete(app.findCollectionByNameOrId("tenant_days"));
  const days = app.findCollectionByNameOrId("usage_days");
  days.removeIndex("usage_days_month");
  app.save(days);
});
