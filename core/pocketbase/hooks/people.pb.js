// E-mails and names of accounts are written in small letters, so that there is one of each.
onRecordValidate((e) => {
  e.record.setEmail(e.record.email().toLowerCase());
  e.record.setEmailVisibility(true); // for whom the rules show the person at all
  e.next();
}, "users");

onRecordValidate((e) => {
  e.record.set("user", e.record.getString("user").toLowerCase());
  e.next();
}, "budgets");

// Budgets and chats belong to an e-mail: whoever could change theirs could take somebody's.
onRecordRequestEmailChangeRequest(() => {
  throw new ForbiddenError("An e-mail is changed by an administrator.");
}, "users");
