/* tempo.c - of Tempo's API what a data source needs that shows traces by their id and draws the
 * service graph from Prometheus (formats: query APIs §6). There is no TraceQL.
 */
#include <stdio.h>

#include "collector/version.h"
#include "exporters/otlp.h"
#include "web/others.h"

#define PROTOBUF "application/protobuf"
#define TRACES_V1 "/api/traces/"
#define TRACES_V2 "/api/v2/traces/"
/* Readers tell from it what they may ask. */
#define AS_VERSION "2.6.0"

void tempo_echo(struct web *web, struct http_request *request)
{
    (void)web;
    http_add_header(request, "Cache-Control", "no-store");
    httpd_answer(request, 200, "text/plain; charset=utf-8", STR("echo"), false);
}

void tempo_buildinfo(struct web *web, struct http_request *request)
{
    struct buf out;
    (void)web;
    buf_init(&out, 1024);
    buf_add_c(&out, "{\"version\":\"" AS_VERSION "\",\"revision\":\"faultline " FAULTLINE_VERSION
                    "\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}");
    web_answer_json(request, &out);
    buf_fini(&out);
}

bool tempo_is_asked(const struct http_request *request)
{
    return str_contains(http_header(request, "Accept"), STR(PROTOBUF));
}

/* A message whose field 1 is the trace; the status that is left out is COMPLETE. */
static void write_response(struct buf *out, const struct batch *batch)
{
    struct buf trace;
    buf_init(&trace, out->max);
    otlp_pb_write(&trace, batch);
    buf_add_varint(out, 1 << 3 | 2);
    buf_add_varint(out, trace.len);
    buf_add_str(out, buf_str(&trace));
    out->failed |= buf_failed(&trace);
    buf_fini(&trace);
}

static int response(struct others_ask *ask, struct err *err)
{
    struct str id = str_skip(http_path(ask->request), sizeof(TRACES_V2) - 1);
    if (tempo_is_asked(ask->request)) {
        ask->type = PROTOBUF;
        return others_write_trace(ask, id, write_response, err);
    }
    buf_add_c(ask->out, "{\"trace\":");
    others_write_trace(ask, id, otlp_json_write, err);
    buf_add_c(ask->out, ",\"metrics\":{},\"status\":\"COMPLETE\"}");
    return err->code;
}
OTHERS_ROUTE_REST(tempo_trace, response)

static int trace(struct others_ask *ask, struct err *err)
{
    ask->type = PROTOBUF;
    return others_write_trace(ask, str_skip(http_path(ask->request), sizeof(TRACES_V1) - 1),
                              otlp_pb_write, err);
}
OTHERS_ROUTE(tempo_trace_v1, trace)
