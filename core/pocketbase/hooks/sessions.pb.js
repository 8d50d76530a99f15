// Whoever sets a new password ends all sessions that began with the old one.
onRecordUpdate((e) => {
  const before = e.record.original().tokenKey();
  e.next();
  // PocketBase has made another for a new password or another e-mail.
  if (e.record.tokenKey() !== before) {
    e.app.db().newQuery("DELETE FROM sessions WHERE user = {:user}")
      .bind({ user: e.record.id })
      .execute();
  }
}, "users");

// What nobody needs any more. A used code is kept for a day, as a witness of a second use.
cronAdd("identity", "*/10 * * * *", () => {
  const now = Math.floor(Date.now() / 1000);
  const day = 24 * 60 * 60;
  const clean = (where, moment) =>
    $app.db().newQuery(`DELETE FROM ${where}`).bind({ moment }).execute();
  clean("sessions WHERE expires_at < {:moment}", now);
  clean(
    "oidc_codes WHERE expires_at < {:moment} OR session NOT IN (SELECT id FROM sessions)",
    now - day,
  );
  clean("oidc_used_codes WHERE code NOT IN (SELECT id FROM oidc_codes)", 0);
  clean("login_attempts WHERE at < {:moment}", now - day);
  clean("oidc_keys WHERE begins_at < {:moment}", now - 60 * day);
});
