// What changes whose usage is whose. Each is one transaction; both ends are keys of `user`.

// POST /api/core/move-usage {tenant, from, to}: what one used, and their budget, becomes another's.
// A budget that the other has already stays.
routerAdd("POST", "/api/core/move-usage", (e) => {
  const { moveUsage } = require(`${__hooks}/owners.js`);
  const body = e.requestInfo().body;
  let moved;
  $app.runInTransaction((app) => {
    moved = moveUsage(app, { tenant: body.tenant, from: body.from, to: body.to });
  });
  return e.json(200, moved);
}, $apis.requireSuperuserAuth());

// POST /api/core/erase-user {tenant, user, as}: nothing names the person or account any more. What
// they used stays in the tenant's sums, under a name that leads nowhere.
routerAdd("POST", "/api/core/erase-user", (e) => {
  const { compact, count, moveUsage } = require(`${__hooks}/owners.js`);
  const { tenant, user, as } = e.requestInfo().body;
  const erased = { users: 0, sessions: 0 };
  $app.runInTransaction((app) => {
    const people = app.findRecordsByFilter(
      "users", "tenant = {:tenant} && id = {:user}", "", 1, 0, { tenant, user },
    );
    const key = { tenant, user };
    const emails = arrayOf(new DynamicModel({ email: "" }));
    app.db().newQuery("SELECT email FROM former_emails WHERE tenant = {:tenant} AND person = {:user}")
      .bind(key).all(emails);
    for (const person of people) {
      erased.sessions = count(app, "FROM sessions WHERE user = {:user}", { user });
      erased.users = 1;
      emails.push(new DynamicModel({ email: person.email() }));
      app.delete(person);
    }
    for (const { email } of emails) {
      app.db().newQuery("DELETE FROM login_attempts WHERE account_hash = {:hash}")
        .bind({ hash: $security.sha256(email) }).execute();
    }
    const gone = "DELETE FROM former_emails WHERE tenant = {:tenant} AND person = {:user}";
    app.db().newQuery(gone).bind(key).execute();
    erased.budgets = app.db()
      .newQuery("DELETE FROM budgets WHERE tenant = {:tenant} AND user = {:user}")
      .bind(key).execute().rowsAffected();
    erased.usage_anonymised = moveUsage(app, { tenant, from: user, to: as }).requests;
  });
  compact($app);
  return e.json(200, erased);
}, $apis.requireSuperuserAuth());

// POST /api/core/erase-tenant {tenant}: a tenant with all that it has.
routerAdd("POST", "/api/core/erase-tenant", (e) => {
  const { compact, count } = require(`${__hooks}/owners.js`);
  const { tenant } = e.requestInfo().body;
  const erased = {};
  $app.runInTransaction((app) => {
    const people = app.findAllRecords("users", $dbx.hashExp({ tenant }));
    for (const name of ["budgets", "usage_logs", "usage_days"]) {
      erased[name] = count(app, `FROM ${name} WHERE tenant = {:tenant}`, { tenant });
      app.db().newQuery(`DELETE FROM ${name} WHERE tenant = {:tenant}`).bind({ tenant }).execute();
    }
    for (const person of people) {
      app.delete(person); // and their sessions
    }
    erased.users = people.length;
    app.delete(app.findRecordById("tenants", tenant)); // and the addresses that people had
  });
  compact($app);
  return e.json(200, erased);
}, $apis.requireSuperuserAuth());
