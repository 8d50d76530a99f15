// The superusers have the passwords that this container is told. One whose password is right already
// is left alone: to set it again would end what it is doing.
onBootstrap((e) => {
  e.next();
  const told = [
    [$os.getenv("SUPERUSER_EMAIL"), $os.getenv("SUPERUSER_PASSWORD")],
    ["services@core.internal", $os.getenv("SERVICES_PASSWORD")],
  ];
  for (const [email, password] of told.filter(([email, password]) => email && password)) {
    let superuser;
    try {
      superuser = $app.findAuthRecordByEmail("_superusers", email);
    } catch {
      superuser = new Record($app.findCollectionByNameOrId("_superusers"));
      superuser.setEmail(email);
    }
    if (!superuser.validatePassword(password)) {
      superuser.setPassword(password);
      $app.save(superuser);
    }
  }
});
