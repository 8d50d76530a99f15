// E-mails and names of accounts are written in small letters, so that there is one of each.
onRecordValidate((e) => {
  e.record.setEmail(e.record.email().toLowerCase());
  e.record.setEmailVisibility(true); // for whom the rules show the person at all
  e.next();
}, "users");

// A budget is a person's, and not their address's. A Billing API of before still names the address
// while the core is upgraded, and would give everybody a second budget.
onRecordValidate((e) => {
  const user = e.record.getString("user").toLowerCase();
  const named = { tenant: e.record.getString("tenant"), user };
  const [person] = e.app.findRecordsByFilter(
    "users", "tenant = {:tenant} && email = {:user}", "", 1, 0, named,
  );
  e.record.set("user", person ? person.id : user);
  e.next();
}, "budgets");

// People log in by their e-mail, and are called by it: it is the operator's to give.
onRecordRequestEmailChangeRequest(() => {
  throw new ForbiddenError("An e-mail is changed by an administrator.");
}, "users");
