/* http.h - the HTTP receivers: OTLP and access logs on 4318, Zipkin on 9411. CONTRACT §9, §10. */
#ifndef RECEIVE_HTTP_H
#define RECEIVE_HTTP_H

#include "collector/base/auth.h"
#include "collector/base/httpd.h"
#include "collector/receive/accept.h"

/* Who answers questions on a receiver's port (Zipkin's query API); what this layer may not know is
 * given to it. */
struct receiver_questions {
    /* Shown the head: 0 it is one, which may be asked; 1 it was answered; −1 it is none. */
    int (*begin)(struct http_request *request, void *ctx);
    /* Answers what may be asked, now or later. */
    void (*answer)(struct http_request *request, void *ctx);
    void *ctx;
};

struct receiver_settings {
    const char *listen;
    struct acceptor *acceptor;
    struct httpd_budget *budget;
    struct auth *auth; /* borrows, as the two before; role ingest */
    struct tls *tls;   /* borrows; NULL: clear text */
    size_t max_body;
    const char *const *cors_origins;     /* exact origins, NULL-terminated, may be NULL */
    struct receiver_questions questions; /* `begin` NULL: there are none */
    const char *web_address;             /* for the line of GET /; may be NULL */
    const char *(*not_ready)(
        void *ctx); /* a word of CONTRACT §3 when bodies cannot be taken, "" when they can */
    const char *(*unhealthy)(void *ctx); /* the stage that is stuck, "" none: Zipkin's /health */
    void *ctx;
};

struct receiver;
int receiver_otlp_http_start(const struct receiver_settings *settings, struct receiver **receiver,
                             struct err *err);
int receiver_zipkin_start(const struct receiver_settings *settings, struct receiver **receiver,
                          struct err *err);
const char *receiver_address(const struct receiver *receiver);
/* Where the page really is, once it is served: said by GET /. Once; any thread. */
void receiver_tell_web(struct receiver *receiver, const char *address);
/* Stops taking requests. */
void receiver_take_no_more(struct receiver *receiver);
/* The same; returns when all that were taken are answered, past `until_ns` (monotonic) all that
 * were whole. */
void receiver_drain(struct receiver *receiver, uint64_t until_ns);
void receiver_stop(struct receiver *receiver);

#endif
