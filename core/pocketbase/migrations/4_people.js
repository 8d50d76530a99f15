// Budgets and usage belong to a person, not to an address: `user` is the person's id (the OpenID
// subject) where there is a person, and else the name of an account or a program, as before.
migrate((app) => {
  const LARGEST_AMOUNT = 8_999_999_999_999_999;
  const OF_TENANT = "tenant = @request.auth.tenant";
  const ADMIN = "@request.auth.role = 'admin'";
  const THEIRS = `${OF_TENANT} && (user = @request.auth.id || ${ADMIN})`;
  const MONTH = "CAST(substr(day, 1, 7) AS TEXT)";
  const SUMS = ["requests", "tokens_input", "tokens_output", "cost"]
    .map((name) => `CAST(sum(${name}) AS INTEGER) AS ${name}`)
    .join(", ");
  const run = (sql) => app.db().newQuery(sql).execute();
  const collection = (name) => app.findCollectionByNameOrId(name);

  // --- People

  const users = collection("users");
  // Until they have chosen their own password, a person is asked for nothing else.
  users.fields.add(new BoolField({ name: "must_change_password" }));
  users.updateRule += " && @request.body.must_change_password:isset = false";
  users.addIndex("users_tenant_email", false, "tenant, email", "");
  app.save(users);

  // Fingerprints of the newest key and secret that the tenant has used: the ones before are refused
  // from then on.
  const tenants = collection("tenants");
  for (const name of ["newest_key", "newest_secret"]) {
    tenants.fields.add(new TextField({ name, hidden: true, max: 64 }));
  }
  app.save(tenants);

  // Who had an address until when, so that usage that arrives late is still theirs. `person` is no
  // relation: a person may be gone, and their usage is kept.
  app.save(new Collection({
    type: "base",
    name: "former_emails",
    listRule: `${OF_TENANT} && ${ADMIN}`,
    viewRule: `${OF_TENANT} && ${ADMIN}`,
    fields: [
      {
        type: "relation", name: "tenant", collectionId: tenants.id, required: true,
        cascadeDelete: true,
      },
      { type: "text", name: "email", required: true, max: 255 },
      { type: "text", name: "person", required: true, max: 15 },
      { type: "date", name: "until", required: true },
    ],
    indexes: [
      "CREATE INDEX former_emails_email ON former_emails (tenant, email, until)",
      "CREATE INDEX former_emails_person ON former_emails (person)",
    ],
  }));
  const FORMER = `
    INSERT INTO former_emails (tenant, email, person, until)
    VALUES (old.tenant, old.email, old.id, strftime('%Y-%m-%d %H:%M:%fZ', 'now'))`;
  run(`CREATE TRIGGER users_renamed AFTER UPDATE OF email, tenant ON users
    WHEN old.email != new.email OR old.tenant != new.tenant BEGIN ${FORMER}; END`);
  run(`CREATE TRIGGER users_gone AFTER DELETE ON users BEGIN ${FORMER}; END`);
  // A budget may be set before its person exists. Once something was used under the address, it may
  // be somebody else's: then the operator links it.
  run(`CREATE TRIGGER users_added AFTER INSERT ON users BEGIN
      UPDATE budgets SET user = new.id
      WHERE tenant = new.tenant AND user = new.email AND NOT EXISTS (
        SELECT 1 FROM usage_days WHERE tenant = new.tenant AND user = new.email);
    END`);

  // --- What is theirs

  for (const name of ["budgets", "usage_logs", "usage_days"]) {
    run(`UPDATE ${name} SET user = (
        SELECT id FROM users WHERE users.tenant = ${name}.tenant AND users.email = ${name}.user)
      WHERE EXISTS (
        SELECT 1 FROM users WHERE users.tenant = ${name}.tenant AND users.email = ${name}.user)`);
  }

  const logs = collection("usage_logs");
  logs.listRule = logs.viewRule = THEIRS;
  // The model that answered, if the gateway says so; it differs from `model` after a fallback.
  logs.fields.add(new TextField({ name: "model_used" }));
  logs.fields.add(new NumberField({
    name: "over_reserved", onlyInt: true, min: 0, max: LARGEST_AMOUNT,
  }));
  app.save(logs);

  const days = collection("usage_days");
  days.listRule = days.viewRule = THEIRS;
  days.fields.add(new TextField({ name: "model_used" })); // empty if it is `model`
  days.removeIndex("usage_days_key");
  days.addIndex("usage_days_key", true, "tenant, user, day, model, model_used", "");
  app.save(days);

  run("DROP TRIGGER usage_logs_added");
  run(`CREATE TRIGGER usage_logs_added AFTER INSERT ON usage_logs BEGIN
      INSERT INTO usage_days
        (tenant, user, day, model, model_used, requests, tokens_input, tokens_output, cost)
      VALUES (new.tenant, new.user, substr(new.ended_at, 1, 10), new.model,
        CASE new.model_used WHEN new.model THEN '' ELSE new.model_used END,
        1, new.tokens_input, new.tokens_output, new.cost)
      ON CONFLICT (tenant, user, day, model, model_used) DO UPDATE SET
        requests = requests + excluded.requests,
        tokens_input = tokens_input + excluded.tokens_input,
        tokens_output = tokens_output + excluded.tokens_output,
        cost = cost + excluded.cost;
    END`);

  const budgets = collection("budgets");
  budgets.listRule = budgets.viewRule = THEIRS;
  app.save(budgets);

  const balances = collection("balances");
  balances.listRule = balances.viewRule = THEIRS;
  app.save(balances);

  const tenantDays = collection("tenant_days");
  tenantDays.viewQuery = `
    SELECT (tenant || ${MONTH} || day || model || ' ' || model_used) AS id,
      tenant, ${MONTH} AS month, day, model, model_used, ${SUMS}
    FROM usage_days GROUP BY tenant, ${MONTH}, day, model, model_used`;
  app.save(tenantDays);
}, (app) => {
  throw new Error("what belongs to people is not given back to addresses: restore a backup");
});
