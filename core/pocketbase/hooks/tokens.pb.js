// A token that is not valid any more would be taken for nobody's, to whom lists are empty: a person
// without a budget, and not a question to ask again after a new login.
routerUse((e) => {
  if (e.request.header.get("Authorization") && !e.auth) {
    throw new UnauthorizedError("The token is not valid, or not any more.");
  }
  return e.next();
});
