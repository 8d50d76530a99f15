// POST /api/core/log-usage: a list of events, as `usage_logs` has them, with the tenant's slug.
// All that is new is logged and added to its day, in one transaction; a repeat changes nothing.
// SQLite reads the body itself: no amount goes through a number of JavaScript.
routerAdd("POST", "/api/core/log-usage", (e) => {
  const EVENTS = `
    SELECT event.key AS place, event.value AS event, event.value ->> 'request_id' AS request_id,
      event.value ->> 'user' AS user, tenants.id AS tenant, default_period
    FROM json_each({:events}) AS event
    LEFT JOIN tenants ON tenants.slug = event.value ->> 'tenant'`;
  const LOG = `
    INSERT INTO usage_logs (request_id, tenant, user, model, tokens_input, tokens_output, cost,
      response_time, ended_at, status, estimated)
    SELECT request_id, tenant, user, event ->> 'model', event ->> 'tokens_input',
      event ->> 'tokens_output', event ->> 'cost', event ->> 'response_time', event ->> 'ended_at',
      event ->> 'status', event ->> 'estimated'
    FROM (${EVENTS}) AS events
    WHERE default_period != ''
      OR EXISTS (SELECT 1 FROM budgets AS b WHERE b.tenant = events.tenant AND b.user = events.user)
      OR EXISTS (SELECT 1 FROM users AS u WHERE u.tenant = events.tenant AND u.email = events.user)
    ORDER BY place
    ON CONFLICT (request_id) DO NOTHING
    RETURNING id`;
  const ADD = `
    INSERT INTO usage_days (tenant, user, day, model, requests, tokens_input, tokens_output, cost)
    SELECT tenant, user, substr(ended_at, 1, 10), model,
      count(*), sum(tokens_input), sum(tokens_output), sum(cost)
    FROM usage_logs WHERE id IN (SELECT value FROM json_each({:ids}))
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (tenant, user, day, model) DO UPDATE SET
      requests = requests + excluded.requests,
      tokens_input = tokens_input + excluded.tokens_input,
      tokens_output = tokens_output + excluded.tokens_output,
      cost = cost + excluded.cost`;
  const REFUSED = `
    SELECT request_id FROM (${EVENTS}) AS events
    WHERE NOT EXISTS (SELECT 1 FROM usage_logs WHERE usage_logs.request_id = events.request_id)`;

  const events = toString(e.request.body);
  const logged = arrayOf(new DynamicModel({ id: "" }));
  const refused = arrayOf(new DynamicModel({ request_id: "" }));
  $app.runInTransaction((app) => {
    const query = (sql, params) => app.db().newQuery(sql).bind(params);
    query(LOG, { events }).all(logged);
    query(ADD, { ids: JSON.stringify(logged.map((row) => row.id)) }).execute();
    query(REFUSED, { events }).all(refused);
  });
  return e.json(200, {
    logged: logged.length,
    refused: refused.map((row) => row.request_id),
  });
}, $apis.requireSuperuserAuth(), $apis.bodyLimit(4 << 20));
