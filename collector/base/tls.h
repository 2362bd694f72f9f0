/* tls.h - the bytes of an accepted connection, in clear text or by TLS 1.2 and 1.3; with base/auth
 * the home of GnuTLS.
 *
 * `struct tls` is what all listeners of a process share: a certificate with its key, and whether
 * clients must show one. Loading anew changes connections accepted from then on; those that are
 * open go on with what they began with. A `struct channel` reads and writes as recv() and send()
 * do; its handshake happens on the way.
 */
#ifndef BASE_TLS_H
#define BASE_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "collector/base/err.h"

struct tls;
struct tls *tls_new(void); /* clear text, until a certificate is loaded */
void tls_free(struct tls *tls);

struct tls_files {    /* PEM; '' for none */
    const char *cert; /* with the certificates between it and its CA behind it */
    const char *key;
    const char *client_ca; /* clients must show a certificate of one of these */
};
/* Could they be loaded? ERR_INVALID as below. */
int tls_check(const struct tls_files *files, struct err *err);
/* ERR_INVALID names the file and says what is wrong with it; all stays as it was. Any thread. */
int tls_load(struct tls *tls, const struct tls_files *files, struct err *err);
/* Is a certificate loaded? `tls` may be NULL. */
bool tls_is_on(struct tls *tls);

struct channel {
    int fd;
    struct channel_tls *tls; /* NULL: clear text */
};

/* Takes a connected socket that does not block; the socket stays the caller's when memory is short.
 * `protocol` is what TLS offers by name (ALPN): "http/1.1" or "h2". */
bool channel_open(struct channel *channel, int fd, struct tls *tls, const char *protocol);
/* Closes the socket, without a goodbye. */
void channel_close(struct channel *channel);

/* As recv(): 0 at the peer's end; -1 with errno, EAGAIN when there is nothing now. Clear text that
 * comes where TLS is meant is answered so in HTTP/1.1, and is an error. */
ssize_t channel_recv(struct channel *channel, void *to, size_t n);
/* As send() with MSG_NOSIGNAL: what EAGAIN did not take has to come again, the same bytes first. */
ssize_t channel_send(struct channel *channel, const void *bytes, size_t n);
/* Nothing more will be sent. */
void channel_shutdown(struct channel *channel);
/* May there be bytes although the last channel_recv() gave fewer than it could? */
bool channel_may_hold_more(const struct channel *channel);
/* Does the handshake wait for room to write? Then channel_recv() goes on with it. */
bool channel_wants_room(const struct channel *channel);
/* Why the handshake failed; NULL: it did not. */
const char *channel_refusal(const struct channel *channel);
/* Do these first bytes of a connection begin a handshake of TLS? */
static inline bool is_tls_hello(const char *bytes, size_t n)
{
    return n >= 2 && bytes[0] == 0x16 && bytes[1] == 3;
}
#define TLS_HELLO_REFUSED                                                                          \
    "this looks like TLS, and this port takes clear text: use http:, or set tls.cert_file"

#endif
