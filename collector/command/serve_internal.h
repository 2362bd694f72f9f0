/* serve_internal.h - what the files of serve share.
 *
 *   serve.c             one process's life: keys, reload, signals, its end
 *   serve_listeners.c   the listeners: what they ask of the stages, their start, their last
 * requests
 */
#ifndef COMMAND_SERVE_INTERNAL_H
#define COMMAND_SERVE_INTERNAL_H

#include <stdatomic.h>

#include "collector/command/pipeline.h"
#include "collector/command/serve.h"
#include "collector/receive/grpc.h"
#include "collector/receive/http.h"
#include "collector/receive/kafka.h"
#include "web/server.h"

struct server {
    const struct config *config;
    const struct config_input *input;
    const struct settings *settings;
    struct httpd_budget *budget;
    struct auth *auth;
    struct tls *tls;
    struct pipeline *pipeline;
    struct acceptor *acceptor;
    struct tail *tail;
    struct receiver *otlp_http, *zipkin;
    struct grpc_receiver *otlp_grpc;
    struct kafka_receiver *kafka;
    char *set_aside; /* folder of messages that cannot be read */
    struct web *web;
    struct web *_Atomic asked; /* by questions on other ports: `web` while it runs */
    char **listen;             /* web.listen and web.extra_listen with their hosts */
    struct stat_series *reloaded;
    uint64_t started_ns;
    _Atomic bool ready, draining;
    _Atomic(const char *) waits_for; /* what the stop is about to end */
};

/* serve.c: reads the settings again; with mistakes the old ones stay. */
int serve_reload(void *ctx, struct buf *mistakes);

/* serve_listeners.c */
/* Opens every listener that the settings ask for, the web last. */
int serve_listen(struct server *server, struct err *err);
/* For other programs on this machine: where the web is, by what the settings say now. */
void serve_tell_web(struct server *server);
/* Returns when all requests that were whole are answered; none is taken any more. */
void serve_take_no_more(struct server *server);
/* Where it listens, or "off". */
const char *serve_address(struct receiver *receiver);
const char *serve_grpc_address(const struct server *server);

#endif
