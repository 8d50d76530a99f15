// POST /api/core/log-usage: a list of events, as `usage_logs` has them, with the tenant's slug.
// What is new is logged in one transaction, in which the database adds it to its days; a repeat
// changes nothing. SQLite reads the body itself: no amount becomes a number of JavaScript.
routerAdd("POST", "/api/core/log-usage", (e) => {
  // Whose an event is: the subject's, if it is known here; else the person's who had the address
  // when the request ended, which may be before somebody else was given it.
  const LOG = `
    WITH events AS (
      SELECT key, tenants.id AS tenant, default_period, value ->> 'user' AS user,
        value ->> 'subject' AS subject, value ->> 'ended_at' AS ended_at, value
      FROM json_each({:events}) JOIN tenants ON slug = value ->> 'tenant'
    ), paid AS (
      SELECT events.*, coalesce(
        (SELECT id FROM users WHERE id = subject AND tenant = events.tenant),
        (SELECT person FROM former_emails WHERE person = subject AND tenant = events.tenant),
        (SELECT id FROM users WHERE id = events.user AND tenant = events.tenant),
        (SELECT person FROM former_emails WHERE person = events.user AND tenant = events.tenant),
        (SELECT person FROM former_emails
          WHERE tenant = events.tenant AND email = events.user AND until > events.ended_at
          ORDER BY until LIMIT 1),
        (SELECT id FROM users WHERE tenant = events.tenant AND email = events.user)
      ) AS person FROM events
    )
    INSERT INTO usage_logs (request_id, tenant, user, model, model_used, tokens_input,
      tokens_output, cost, over_reserved, response_time, ended_at, status, estimated)
    SELECT value ->> 'request_id', tenant, coalesce(person, user), value ->> 'model',
      coalesce(value ->> 'model_used', ''), value ->> 'tokens_input', value ->> 'tokens_output',
      value ->> 'cost', coalesce(value ->> 'over_reserved', 0), value ->> 'response_time',
      ended_at, value ->> 'status', value ->> 'estimated'
    FROM paid
    WHERE person IS NOT NULL OR default_period != '' OR EXISTS (
      SELECT 1 FROM budgets WHERE budgets.tenant = paid.tenant AND budgets.user = paid.user)
    ORDER BY key -- in the order in which they were sent
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
