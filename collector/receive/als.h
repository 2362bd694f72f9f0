/* als.h - Envoy's access log service on 4317: streams that are never answered while they run. */
#ifndef RECEIVE_ALS_H
#define RECEIVE_ALS_H

#include "collector/base/grpcd.h"
#include "collector/receive/accept.h"

#define ALS_PATH "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

/* begin() of a call to ALS_PATH: makes it a stream, of which messages may come in `encoding`. False
 * when memory is short: to be refused. */
bool als_begin(struct grpc_call *call, struct acceptor *acceptor, enum encoding encoding);
/* The two callbacks of its messages. */
void als_message(struct grpc_call *call, struct str message, void *ctx);
void als_ended(struct grpc_call *call, enum grpc_status status, void *ctx);

#endif
