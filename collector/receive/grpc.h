/* grpc.h - the gRPC receiver on 4317: OTLP traces, Envoy's access logs, and the health service.
 * CONTRACT §9. */
#ifndef RECEIVE_GRPC_H
#define RECEIVE_GRPC_H

#include "collector/base/auth.h"
#include "collector/base/httpd.h"
#include "collector/receive/accept.h"

struct grpc_receiver_settings {
    const char *listen;
    struct acceptor *acceptor;
    struct httpd_budget *budget;
    struct auth *auth; /* borrows, as the two before; role ingest */
    struct tls *tls;   /* borrows; NULL: clear text */
    size_t max_message;
    const char *(*not_ready)(void *ctx); /* a word of CONTRACT §3, "" when bodies can be taken */
    void *ctx;
};

struct grpc_receiver;
int grpc_receiver_start(const struct grpc_receiver_settings *settings,
                        struct grpc_receiver **receiver, struct err *err);
const char *grpc_receiver_address(const struct grpc_receiver *receiver);
/* Stops taking calls. */
void grpc_receiver_take_no_more(struct grpc_receiver *receiver);
/* The same; returns when all that were taken are answered, past `until_ns` (monotonic) all that
 * were whole. */
void grpc_receiver_drain(struct grpc_receiver *receiver, uint64_t until_ns);
void grpc_receiver_stop(struct grpc_receiver *receiver);

#endif
