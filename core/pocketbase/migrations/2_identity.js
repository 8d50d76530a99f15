// What identity keeps: who is signed in, codes on their way, keys, and failed logins.
// No rules: only superusers. Moments are seconds since 1970.
migrate((app) => {
  const text = (name, options) => ({ type: "text", name, required: true, ...options });
  const moment = (name) => ({ type: "number", name, onlyInt: true, required: true });
  const relation = (name, collection) => ({
    type: "relation", name, collectionId: collection.id, required: true, cascadeDelete: true,
  });
  const make = (name, fields, indexes) => {
    const collection = new Collection({ type: "base", name, fields, indexes });
    app.save(collection);
    return collection;
  };

  // Nobody gets in with what is read here: tokens and codes are kept as their hashes.
  const sessions = make("sessions", [
    text("token_hash"),
    relation("user", app.findCollectionByNameOrId("users")),
    moment("signed_in_at"),
    moment("expires_at"),
  ], [
    "CREATE UNIQUE INDEX sessions_token_hash ON sessions (token_hash)",
    "CREATE INDEX sessions_user ON sessions (user)",
  ]);

  const codes = make("oidc_codes", [
    text("code_hash"),
    relation("session", sessions),
    text("client"),
    text("redirect_uri", { max: 2000 }),
    text("scope", { max: 1000 }),
    text("challenge"),
    text("nonce", { required: false, max: 1000 }),
    moment("expires_at"),
  ], ["CREATE UNIQUE INDEX oidc_codes_code_hash ON oidc_codes (code_hash)"]);

  // A code is used by making its record here: there can be one only, and it stays as a witness.
  make("oidc_used_codes", [relation("code", codes)], [
    "CREATE UNIQUE INDEX oidc_used_codes_code ON oidc_used_codes (code)",
  ]);

  // The private key, encrypted by identity.
  make("oidc_keys", [
    text("kid"),
    text("jwe", { max: 10000 }),
    moment("begins_at"),
  ], ["CREATE UNIQUE INDEX oidc_keys_kid ON oidc_keys (kid)"]);

  make("login_attempts", [text("account_hash"), moment("at")], [
    "CREATE INDEX login_attempts_account ON login_attempts (account_hash, at)",
    "CREATE INDEX login_attempts_at ON login_attempts (at)",
  ]);
}, (app) => {
  for (const name of ["login_attempts", "oidc_keys", "oidc_used_codes", "oidc_codes", "sessions"]) {
    app.delete(app.findCollectionByNameOrId(name));
  }
});
