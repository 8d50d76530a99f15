// What the hooks of owners.pb.js share: each of those runs for itself.
module.exports = {
  count: (app, from, values) => {
    const found = new DynamicModel({ number: 0 });
    app.db().newQuery(`SELECT count(*) AS number ${from}`).bind(values).one(found);
    return found.number;
  },

  // How many requests and budgets were moved; the sums of days are added to those that are there.
  moveUsage: (app, key) => {
    const run = (sql) => app.db().newQuery(sql).bind(key).execute().rowsAffected();
    const FROM = "WHERE tenant = {:tenant} AND user = {:from}";
    const requests = run(`UPDATE usage_logs SET user = {:to} ${FROM}`);
    run(`
      INSERT INTO usage_days
        (tenant, user, day, model, model_used, requests, tokens_input, tokens_output, cost)
      SELECT tenant, {:to}, day, model, model_used, requests, tokens_input, tokens_output, cost
      FROM usage_days ${FROM}
      ON CONFLICT (tenant, user, day, model, model_used) DO UPDATE SET
        requests = requests + excluded.requests,
        tokens_input = tokens_input + excluded.tokens_input,
        tokens_output = tokens_output + excluded.tokens_output,
        cost = cost + excluded.cost`);
    run(`DELETE FROM usage_days ${FROM}`);
    return { requests, budgets: run(`UPDATE OR IGNORE budgets SET user = {:to} ${FROM}`) };
  },

  // SQLite keeps what was deleted in the free pages of its file until it writes the file anew.
  compact: (app) => {
    app.nonconcurrentDB().newQuery("VACUUM").execute();
    app.nonconcurrentDB().newQuery("PRAGMA wal_checkpoint(TRUNCATE)").execute();
  },
};
