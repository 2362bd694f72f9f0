/* auth.h - who may do what: tokens by their SHA-256, from auth.tokens_file.
 *
 * The file has a line `role sha256hex comment` for each token, role one of ingest, read, admin;
 * admin may all that the others may. Blank lines and lines that begin with '#' are left out.
 * Tokens themselves are never kept. Any thread may ask while another loads.
 */
#ifndef BASE_AUTH_H
#define BASE_AUTH_H

#include "collector/base/err.h"
#include "collector/base/str.h"

enum auth_role { AUTH_INGEST = 1, AUTH_READ = 2, AUTH_ADMIN = 4 };
enum auth_verdict {
    AUTH_GOOD,
    AUTH_UNKNOWN,  /* no token, or none that is known: 401, UNAUTHENTICATED */
    AUTH_FORBIDDEN /* a role that may not: 403, PERMISSION_DENIED */
};

struct auth;
struct auth *auth_new(void); /* everybody may all, until a file is loaded */
void auth_free(struct auth *auth);
/* Takes over the file's tokens; '' takes none, and asks for none. On ERR_INVALID, which names
 * FILE:LINE, all stays as it was. */
int auth_load(struct auth *auth, const char *path, struct err *err);
/* `authorization` is the header's value: `Bearer TOKEN`, or Basic with the token as password. */
enum auth_verdict auth_check(struct auth *auth, struct str authorization, enum auth_role role);

#endif
