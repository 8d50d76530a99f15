// Tenants, their people, what these may spend and what they spent.
// Every amount is in nanos, 10⁻⁹ of the currency: integers, so that nothing is ever rounded.
migrate((app) => {
  // The largest amount of the Billing API's contract. PocketBase's numbers are exact up to 2⁵³.
  const LARGEST_AMOUNT = 8_999_999_999_999_999;
  const PERIODS = ["month", "never"];

  const ONLY_SUPERUSERS = null;
  const OF_TENANT = "tenant = @request.auth.tenant";
  const ADMIN = "@request.auth.role = 'admin'";
  const THEIRS = `${OF_TENANT} && (user = @request.auth.email || ${ADMIN})`;

  const text = (name, options) => ({ type: "text", name, required: true, ...options });
  const integer = (name, options) => ({ type: "number", name, onlyInt: true, min: 0, ...options });
  const select = (name, values, options) =>
    ({ type: "select", name, values, maxSelect: 1, required: true, ...options });

  const tenants = new Collection({
    type: "base",
    name: "tenants",
    listRule: "id = @request.auth.tenant",
    viewRule: "id = @request.auth.tenant",
    fields: [
      text("slug", { pattern: "^[a-z][a-z0-9-]*$", max: 63 }),
      text("name"),
      // The budget of whoever is not known; without a period they are refused.
      integer("default_amount", { max: LARGEST_AMOUNT }),
      select("default_period", PERIODS, { required: false }),
    ],
    indexes: ["CREATE UNIQUE INDEX tenants_slug ON tenants (slug)"],
  });
  app.save(tenants);

  const tenant = { type: "relation", name: "tenant", collectionId: tenants.id, required: true };

  const users = app.findCollectionByNameOrId("users"); // PocketBase makes it, open to everybody
  users.fields.removeByName("avatar");
  users.fields.getByName("name").required = true;
  users.fields.add(new SelectField(select("role", ["admin", "user"])));
  users.fields.add(new RelationField(tenant));
  users.listRule = users.viewRule = `id = @request.auth.id || (${ADMIN} && ${OF_TENANT})`;
  users.createRule = users.deleteRule = ONLY_SUPERUSERS;
  users.updateRule = ["role", "tenant", "verified", "email", "emailVisibility"].reduce(
    (rule, field) => `${rule} && @request.body.${field}:isset = false`,
    "id = @request.auth.id",
  );
  users.authRule = "verified = true";
  users.authToken.duration = 600; // seconds; identity keeps sessions of its own
  users.authAlert.enabled = users.mfa.enabled = users.otp.enabled = users.oauth2.enabled = false;
  app.save(users);

  const superusers = app.findCollectionByNameOrId("_superusers");
  superusers.authAlert.enabled = false; // nothing here sends e-mail
  app.save(superusers);

  // The user is an e-mail, or the name of an account or a program that is nobody's e-mail.
  app.save(new Collection({
    type: "base",
    name: "budgets",
    listRule: THEIRS,
    viewRule: THEIRS,
    createRule: `${ADMIN} && ${OF_TENANT}`,
    updateRule: `${ADMIN} && ${OF_TENANT}`
      + " && @request.body.tenant:isset = false && @request.body.user:isset = false",
    fields: [
      tenant,
      text("user", { max: 255 }),
      select("period", PERIODS),
      integer("amount", { max: LARGEST_AMOUNT }),
    ],
    indexes: ["CREATE UNIQUE INDEX budgets_user ON budgets (tenant, user)"],
  }));

  const counted = ["tokens_input", "tokens_output", "cost"].map((name) => integer(name));

  app.save(new Collection({
    type: "base",
    name: "usage_logs",
    listRule: THEIRS,
    viewRule: THEIRS,
    fields: [
      text("request_id", { max: 64 }),
      tenant,
      text("user"),
      text("model", { required: false }),
      ...counted,
      integer("response_time"), // milliseconds
      { type: "date", name: "ended_at", required: true },
      select("status", ["success", "failure"]),
      { type: "bool", name: "estimated" },
    ],
    indexes: [
      "CREATE UNIQUE INDEX usage_logs_request_id ON usage_logs (request_id)",
      "CREATE INDEX usage_logs_user ON usage_logs (tenant, user, ended_at)",
    ],
  }));

  // The sums of `usage_logs`; the day is UTC's, YYYY-MM-DD.
  app.save(new Collection({
    type: "base",
    name: "usage_days",
    listRule: THEIRS,
    viewRule: THEIRS,
    fields: [
      tenant,
      text("user"),
      text("day", { pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }),
      text("model", { required: false }),
      integer("requests"),
      ...counted,
    ],
    indexes: ["CREATE UNIQUE INDEX usage_days_key ON usage_days (tenant, user, day, model)"],
  }));

  // Whoever logs, and whatever kills them: a log and its place in the sum are one step.
  app.db().newQuery(`
    CREATE TRIGGER usage_logs_added AFTER INSERT ON usage_logs BEGIN
      INSERT INTO usage_days
        (tenant, user, day, model, requests, tokens_input, tokens_output, cost)
      VALUES (new.tenant, new.user, substr(new.ended_at, 1, 10), new.model,
        1, new.tokens_input, new.tokens_output, new.cost)
      ON CONFLICT (tenant, user, day, model) DO UPDATE SET
        requests = requests + excluded.requests,
        tokens_input = tokens_input + excluded.tokens_input,
        tokens_output = tokens_output + excluded.tokens_output,
        cost = cost + excluded.cost;
    END`).execute();

  // The one definition of what is used of a budget.
  app.save(new Collection({
    type: "view",
    name: "balances",
    listRule: THEIRS,
    viewRule: THEIRS,
    viewQuery: `
      SELECT id, tenant, user, period, amount, CAST((
        SELECT total(cost) FROM usage_days
        WHERE usage_days.tenant = budgets.tenant AND usage_days.user = budgets.user
        AND (period = 'never'
          OR day BETWEEN strftime('%Y-%m-01', 'now') AND strftime('%Y-%m-31', 'now'))
      ) AS INTEGER) AS used
      FROM budgets`,
  }));

  const settings = app.settings();
  settings.meta.appName = "CloudFreedom core";
  settings.meta.hideControls = true; // collections change by migrations
  settings.backups.cron = "0 3 * * *";
  settings.backups.cronMaxKeep = 7;
  settings.logs.minLevel = 4; // warnings: not who asked for what
  // By address, and our services have one each; superusers, as whom they ask, are exempt.
  settings.rateLimits.enabled = true;
  settings.rateLimits.rules = [
    { label: "*:auth", maxRequests: 10, duration: 10 },
    { label: "/api/", maxRequests: 1000, duration: 10 },
  ];
  app.save(settings);
}, (app) => {
  throw new Error("what people spent is not given up: restore a backup instead");
});
