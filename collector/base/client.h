/* client.h - an HTTP client with a deadline and a ceiling. The only file that knows libcurl. One
 * thread a client. */
#ifndef BASE_CLIENT_H
#define BASE_CLIENT_H

#include "collector/base/buf.h"
#include "collector/base/err.h"

/* PEM files of TLS; NULL for none. */
struct client_files {
    const char *ca;   /* trusted in place of SSL_CERT_FILE, and of the system's */
    const char *cert; /* shown to who asks for one; may hold its key too */
    const char *key;
};
/* For all clients made from now on; borrows the names for ever. */
void client_use_files(const struct client_files *files);

struct client; /* keeps its connection open between requests */

struct client *client_new(uint64_t timeout_ns);
void client_free(struct client *client);

struct client_request {
    const char *method; /* GET or POST */
    const char *url;
    const char *at; /* who is asked: "host:port" or "unix:/path"; NULL or '': whom `url` names */
    const char *content_type; /* of the body; NULL without */
    const char *encoding;     /* Content-Encoding; NULL without */
    struct str body;
};

/* 0 when an answer came (any status); ERR_IO when none did. `answer` (may be NULL) gets its body.
 */
int client_send(struct client *client, const struct client_request *request, unsigned *status,
                struct buf *answer, struct err *err);
/* GET: the body of a 200 goes into the file `fd`, of another status into `answer`. */
int client_download(struct client *client, const char *url, int fd, unsigned *status,
                    struct buf *answer, struct err *err);

#endif
