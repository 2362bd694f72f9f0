/* server.h - the server on 4319: operator endpoints, the HTTP API, /metrics, the page. CONTRACT §3,
 * §7, §10.
 *
 * What the web needs of the running collector it is given as functions; all else it reads from the
 * store.
 */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include "collector/base/auth.h"
#include "collector/base/buf.h"
#include "collector/base/err.h"
#include "collector/base/httpd.h"
#include "collector/model/comparison.h"

struct query;

struct web_hooks {
    /* "" when healthy, else the stuck stage's name. */
    const char *(*unhealthy)(void *ctx);
    /* "" when ready, else one word of CONTRACT §3. */
    const char *(*not_ready)(void *ctx);
    /* Cuts and commits everything; 0 or a code. */
    int (*flush)(void *ctx, uint64_t *n_cut, struct err *err);
    /* Gives free disk back; how large the file was and is, bytes. */
    int (*vacuum)(void *ctx, uint64_t bytes[2], struct err *err);
    /* As SIGHUP; on failure `mistakes` has one line each. */
    int (*reload)(void *ctx, struct buf *mistakes);
    void (*metrics)(void *ctx, struct str accept, struct buf *out, const char **content_type);
    void (*tail)(void *ctx, uint64_t before, uint32_t limit, struct buf *out);
    /* `after` UINT64_MAX: the last ones. */
    void (*tail_follow)(void *ctx, uint64_t after, uint32_t limit, struct buf *out);
    /* Somebody sent spans to this port; he was told so. */
    void (*misdirected)(void *ctx, const char *path, const char *peer, const char *reason);
    /* The parts of /api/v1/status that only the running process knows: writes
     * `"inbox":{…},"live":{…},"listeners":{…},"limits":[…],"senders":[…]`. */
    void (*status)(void *ctx, struct buf *out);
    /* Where a fault began: the JSON of CONTRACT §7. */
    int (*diagnose)(struct query *query, const struct diagnosis_request *request, struct buf *out,
                    struct err *err);
    /* A candidate version against a baseline: the same. */
    int (*compare)(struct query *query, const struct comparison_request *request, struct buf *out,
                   struct err *err);
    void *ctx;
};

struct web_settings {
    const char *const *listen; /* web.listen, then web.extra_listen; NULL-terminated */
    const char *const *hosts;  /* web.hosts */
    struct httpd_budget *budget;
    struct auth *auth; /* borrows; roles read and admin */
    struct tls *tls;   /* borrows; NULL: clear text */
    const char *db_path;
    uint64_t min_free;     /* store.min_free: bytes of the disk that files to download leave */
    const char *log_link;  /* web.log_link: where the reader keeps logs, "" nowhere */
    uint64_t started_ns;   /* by the clock that never jumps, clock_boot_ns() */
    uint32_t min_requests; /* localise.min_requests */
    bool sql;              /* web.sql: anybody's SQL is answered */
    uint64_t sql_timeout_ns, sql_rows;
    struct web_hooks hooks;
};

struct web;
int web_start(const struct web_settings *settings, struct web **web, struct err *err);
/* The i-th address, NULL after the last. */
const char *web_address(const struct web *web, size_t i);
/* Returns when everything it was asked is answered, past `until_ns` (monotonic) what it was asked
 * whole. */
void web_stop(struct web *web, uint64_t until_ns);

/* zipkin.c: questions that come to Zipkin's port, for the receiver there, which shows every request
 * first at its head. Roles and web.hosts are those of the web. */
enum web_asked {
    WEB_NOT_ASKED, /* the path is none of the query API's, or takes spans */
    WEB_MAY_ASK,   /* web_zipkin_answer() comes next */
    WEB_REFUSED    /* it was answered */
};
enum web_asked web_zipkin_begin(struct web *web, struct http_request *request);
/* Answers, now or later. */
void web_zipkin_answer(struct web *web, struct http_request *request);

#endif
