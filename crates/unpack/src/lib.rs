//! Types by magic, content codings and multipart, under budgets.
