/* httpd.h - an HTTP/1.1 server that reads strictly and waits for nobody: what could be read in two
 * ways is refused and ends the connection, and every sender and reader has a deadline.
 *
 * A request is shown to the handler twice: `begin` when its head is read (it may refuse, or take
 * the body), `finish` when the body is whole. The answer may be given later, from any thread:
 * httpd_answer().
 */
#ifndef BASE_HTTPD_H
#define BASE_HTTPD_H

#include "collector/base/buf.h"
#include "collector/base/err.h"

struct httpd;
struct http_request;
struct tls;

struct httpd_budget; /* shared by all servers of a process: connections, bytes of bodies in flight
                      */
struct httpd_budget *httpd_budget_new(unsigned max_connections, size_t max_in_flight);
void httpd_budget_free(struct httpd_budget *budget);
size_t httpd_budget_in_flight(struct httpd_budget *budget);
unsigned httpd_budget_connections(struct httpd_budget *budget);

struct httpd_settings {
    const char *listen; /* "host:port", port 0 = any free, or "unix:/path" */
    const char *const
        *hosts; /* names accepted in Host, NULL-terminated; NULL: any (421 otherwise) */
    struct httpd_budget *budget; /* borrows, outlives the server */
    struct tls *tls;             /* borrows, outlives the server; NULL: clear text */
    size_t max_body;             /* bytes as they come: beyond, 413 */
    uint64_t head_deadline_ns, body_deadline_ns, body_deadline_ns_per_mib, idle_deadline_ns;
    unsigned threads;
    /* Head is read. Return 0 to go on (the body, if any, is collected), or having called
     * httpd_answer() 1. */
    int (*begin)(struct http_request *request, void *ctx);
    /* Body is whole. Must answer, now or later. */
    void (*finish)(struct http_request *request, void *ctx);
    /* How this server words an error of its own (400, 408, 413, 421, 431, 503): fills body and
     * content type. May be NULL: plain text. */
    void (*refuse)(struct http_request *request, unsigned status, const char *reason,
                   struct buf *body, const char **content_type, void *ctx);
    /* Somebody came whose request cannot even be answered (a failed handshake of TLS). May be NULL.
     */
    void (*stranger)(const char *peer, const char *reason, void *ctx);
    void *ctx;
};

int httpd_start(const struct httpd_settings *settings, struct httpd **httpd, struct err *err);
/* The address it listens on, as the ready line prints it: "127.0.0.1:4318". */
const char *httpd_address(const struct httpd *httpd);
/* No new requests from now on: 503 with Retry-After on what still comes. */
void httpd_take_no_more(struct httpd *httpd);
/* The same, and waits until every request in flight was answered: until `until_ns` (monotonic) for
 * those that are not whole, which are refused then, and for slow readers; without an end for those
 * that are at work. */
void httpd_drain(struct httpd *httpd, uint64_t until_ns);
/* Waits until every request that was taken has its answer; closes all connections. */
void httpd_stop(struct httpd *httpd);

/* ---- a request; valid until it is answered ---- */
struct str http_method(const struct http_request *request);
struct str http_path(const struct http_request *request); /* percent-decoded, without query */
struct str http_header(const struct http_request *request, const char *name); /* '' when absent */
/* Query parameter, percent-decoded; p is NULL when absent. */
struct str http_query(const struct http_request *request, const char *name);
/* The n-th parameter of this name, from 0; p is NULL behind the last. */
struct str http_query_nth(const struct http_request *request, const char *name, unsigned n);
struct str http_body(const struct http_request *request);
/* Gives the body's malloc'd bytes to the caller; http_body() is '' from then on. The bytes stay
 * counted as in flight until the request is answered. */
char *http_take_body(struct http_request *request, size_t *n);
struct str http_peer(const struct http_request *request);           /* "address" of the sender */
uint64_t http_received_mono_ns(const struct http_request *request); /* when its head was read */
void *http_data(const struct http_request *request); /* what http_set_data() stored, NULL before */
void http_set_data(struct http_request *request, void *data);

/* Adds a header to the answer to come, in the place of one of the same name; name and value are
 * copied. */
void http_add_header(struct http_request *request, const char *name, const char *value);
/* Answers 200 with a file from its start on, a piece at a time; takes `fd`. Its size is told before
 * it is read: nobody may change it. Else as httpd_answer(). */
void httpd_answer_file(struct http_request *request, const char *content_type, int fd);
/* Sends the answer; any thread; once. `body` is copied; HEAD sends none. `close` ends the
 * connection after it. */
void httpd_answer(struct http_request *request, unsigned status, const char *content_type,
                  struct str body, bool close);

#endif
