// POST /api/core/log-usage: a list of events, as `usage_logs` has them, with the tenant's slug.
// What is new is logged in one transaction, in which the database adds it to its days; a repeat
// changes nothing. SQLite reads the body itself: no amount becomes a number of JavaScript.
routerAdd("POST", "/api/core/log-usage", (e) => {
  // In the order in which they were sent. Everybody is known to a tenant with a default budget.
  const LOG = `
    INSERT INTO usage_logs (request_id, tenant, user, model, tokens_input, tokens_output, cost,
      response_time, ended_at, status, estimated)
    SELECT value ->> 'request_id', tenants.id, value ->> 'user', value ->> 'model',
      value ->> 'tokens_input', value ->> 'tokens_output', value ->> 'cost',
      value ->> 'response_time', value ->> 'ended_at', value ->> 'status', value ->> 'estimated'
    FROM json_each({:events}) JOIN tenants ON slug = value ->> 'tenant'
    WHERE default_period != ''
      OR EXISTS (SELECT 1 FROM budgets WHERE tenant = tenants.id AND user = value ->> 'user')
      OR EXISTS (SELECT 1 FROM users WHERE tenant = tenants.id AND email = value ->> 'user')
    ORDER BY key
    ON CONFLICT (request_id) DO NOTHING`;
  const NOT_LOGGED = `
    SELECT value ->> 'request_id' AS request_id FROM json_each({:events})
    WHERE NOT EXISTS (SELECT 1 FROM usage_logs WHERE request_id = value ->> 'request_id')`;

  const events = toString(e.request.body);
  const refused = arrayOf(new DynamicModel({ request_id: "" }));
  let logged;
  $app.runInTransaction((app) => {
    logged = app.db().newQuery(LOG).bind({ events }).execute().rowsAffected();
    app.db().newQuery(NOT_LOGGED).bind({ events }).all(refused);
  });
  return e.json(200, { logged, refused: refused.map((event) => event.request_id) });
}, $apis.requireSuperuserAuth(), $apis.bodyLimit(4 << 20));
