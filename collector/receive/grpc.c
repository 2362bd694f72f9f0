/* grpc.c - OTLP and Envoy's access logs over gRPC: methods, compression, statuses, and the health
 * service. */
#include "collector/receive/grpc.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/grpcd.h"
#include "collector/base/wire.h"
#include "collector/receive/als.h"
#include "collector/receive/otlp_answer.h"

#define OTLP "opentelemetry.proto.collector."
#define ALS_SERVICE "envoy.service.accesslog.v3.AccessLogService"
#define EXPORT "/Export"
#define HEALTH_CHECK "/grpc.health.v1.Health/Check"
#define ENCODINGS "identity,gzip,deflate,zstd"

static const char *const services[N_SIGNALS] = {
    OTLP "trace.v1.TraceService", OTLP "metrics.v1.MetricsService", OTLP "logs.v1.LogsService"};

struct grpc_receiver {
    struct grpc_receiver_settings settings;
    struct grpcd *grpcd;
};

/* What is needed to answer once the body is on disk. */
struct exchange {
    struct grpc_receiver *receiver;
    struct grpc_call *call;
    enum signal signal;
};

static void count_call(enum grpc_status status)
{
    accept_count_request(TRANSPORT_GRPC, (unsigned)status);
}

static void refused(struct grpc_call *call, enum grpc_status status, const char *reason, void *ctx)
{
    struct grpc_receiver *receiver = ctx;
    bool stream = grpc_stream_state(call) != NULL;
    if (!stream) /* a stream is counted when it has ended */
        count_call(status);
    accept_refused(receiver->settings.acceptor, TRANSPORT_GRPC, (unsigned)status,
                   format_word(stream ? FORMAT_ENVOY_ALS : FORMAT_OTLP_PB), 0, grpc_peer(call),
                   reason);
}

static void stranger(const char *peer, const char *reason, void *ctx)
{
    struct grpc_receiver *receiver = ctx;
    accept_refused(receiver->settings.acceptor, TRANSPORT_GRPC, 0, "otlp_pb", 0, str_of(peer),
                   reason);
}

static int refuse(struct grpc_receiver *receiver, struct grpc_call *call, enum grpc_status status,
                  const char *reason)
{
    refused(call, status, reason, receiver);
    grpc_refuse(call, status, reason, status == GRPC_UNAVAILABLE ? 1 : 0);
    return 1;
}

static int encoding_of(const struct grpc_call *call)
{
    static const struct {
        const char *word;
        enum encoding encoding;
    } rows[] = {{"", ENCODING_IDENTITY},
                {"identity", ENCODING_IDENTITY},
                {"gzip", ENCODING_GZIP},
                {"deflate", ENCODING_DEFLATE},
                {"zstd", ENCODING_ZSTD}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(grpc_encoding(call), str_of(rows[i].word)))
            return (int)rows[i].encoding;
    }
    return -1;
}

static const char *word_not_ready(const struct grpc_receiver *receiver)
{
    return receiver->settings.not_ready(receiver->settings.ctx);
}

static bool is_service(struct str name)
{
    for (int i = 0; i < N_SIGNALS; i++) {
        if (str_eq(name, str_of(services[i])))
            return true;
    }
    return false;
}

/* The signal that a method takes, −1 for other methods. */
static int signal_of(const struct grpc_call *call)
{
    struct str path = grpc_path(call);
    for (int i = 0; i < N_SIGNALS; i++) {
        struct str service = str_of(services[i]);
        if (path.len == 1 + service.len + sizeof(EXPORT) - 1 && path.p[0] == '/' &&
            str_starts(str_skip(path, 1), service) && str_ends(path, STR(EXPORT)))
            return i;
    }
    return -1;
}

/* ---- health ---- */

static bool is_health(const struct grpc_call *call)
{
    return str_eq(grpc_path(call), STR(HEALTH_CHECK));
}

/* HealthCheckRequest {service = 1}; HealthCheckResponse {status = 1}: SERVING 1, NOT_SERVING 2. */
static void answer_health(const struct grpc_receiver *receiver, struct grpc_call *call)
{
    struct str service = STR_NONE;
    size_t n;
    char *bytes = grpc_take_message(call, &n);
    struct wire wire = wire_of((struct str){bytes, n});
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            service = wire.bytes;
    }
    const char serving[] = {1 << 3, word_not_ready(receiver)[0] ? 2 : 1};
    if (wire.error)
        grpc_refuse(call, GRPC_INVALID_ARGUMENT, "not a HealthCheckRequest", 0);
    else if (service.len && !is_service(service) && !str_eq(service, STR(ALS_SERVICE)))
        grpc_refuse(call, GRPC_NOT_FOUND, "there is no such service here", 0);
    else
        grpc_answer(call, (struct str){serving, sizeof(serving)});
    free(bytes);
}

/* ---- traces, metrics, logs ---- */

static int refuse_method(struct grpc_receiver *receiver, struct grpc_call *call)
{
    char reason[ACCEPT_REASON];
    accept_reason(reason, grpc_path(call),
                  "this port takes Export of OTLP's TraceService, MetricsService and LogsService, "
                  "and " ALS_PATH);
    return refuse(receiver, call, GRPC_UNIMPLEMENTED, reason);
}

static int begin(struct grpc_call *call, void *ctx)
{
    struct grpc_receiver *receiver = ctx;
    const char *word = word_not_ready(receiver);
    char reason[100];
    if (encoding_of(call) < 0)
        return refuse(receiver, call, GRPC_UNIMPLEMENTED, "grpc-encoding may be " ENCODINGS);
    if (is_health(call))
        return 0;
    switch (auth_check(receiver->settings.auth, grpc_authorization(call), AUTH_INGEST)) {
    case AUTH_UNKNOWN:
        return refuse(receiver, call, GRPC_UNAUTHENTICATED,
                      grpc_authorization(call).len ? TOKEN_UNKNOWN : TOKEN_MISSING);
    case AUTH_FORBIDDEN:
        return refuse(receiver, call, GRPC_PERMISSION_DENIED,
                      "this token may not send; it needs the role ingest");
    default:
        break;
    }
    bool logs = str_eq(grpc_path(call), STR(ALS_PATH));
    if (!logs && signal_of(call) < 0)
        return refuse_method(receiver, call);
    if (word[0]) {
        snprintf(reason, sizeof(reason), "the collector takes nothing now: %s", word);
        return refuse(receiver, call, GRPC_UNAVAILABLE, reason);
    }
    if (logs && !als_begin(call, receiver->settings.acceptor, (enum encoding)encoding_of(call)))
        return refuse(receiver, call, GRPC_UNAVAILABLE, "memory is short; try again");
    return 0;
}

static enum grpc_status status_of(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return GRPC_OK;
    case ERR_INVALID:
        return GRPC_INVALID_ARGUMENT;
    case ERR_UNSUPPORTED:
        return GRPC_UNIMPLEMENTED;
    case ERR_TOO_BIG:
        return GRPC_RESOURCE_EXHAUSTED;
    default:
        return GRPC_UNAVAILABLE;
    }
}

static void accepted(const struct acceptance *acceptance, void *ctx)
{
    struct exchange *exchange = ctx;
    enum grpc_status status = status_of(acceptance->err.code);
    struct buf answer;
    count_call(status);
    if (status != GRPC_OK) {
        unsigned retry_s = acceptance->err.code == ERR_IO ? 5 : 1;
        grpc_refuse(exchange->call, status, acceptance->err.text,
                    status == GRPC_UNAVAILABLE ? retry_s : 0);
    } else {
        buf_init(&answer, 4096);
        otlp_write_answer(&answer, exchange->signal, false, acceptance);
        grpc_answer(exchange->call, buf_str(&answer));
        buf_fini(&answer);
    }
    free(exchange);
}

static void finish(struct grpc_call *call, void *ctx)
{
    struct grpc_receiver *receiver = ctx;
    struct exchange *exchange;
    size_t n;
    if (is_health(call)) {
        answer_health(receiver, call);
        return;
    }
    exchange = malloc(sizeof(*exchange));
    char *bytes = grpc_take_message(call, &n);
    if (!exchange || !bytes) {
        free(exchange);
        free(bytes);
        refuse(receiver, call, GRPC_UNAVAILABLE, "memory is short; try again");
        return;
    }
    struct content content = {(uint8_t)signal_of(call), FORMAT_OTLP_PB, (uint8_t)encoding_of(call)};
    *exchange = (struct exchange){receiver, call, (enum signal)content.signal};
    accept_body(receiver->settings.acceptor, content, TRANSPORT_GRPC, bytes, n, grpc_peer(call),
                accepted, exchange);
}

/* ---- life ---- */

int grpc_receiver_start(const struct grpc_receiver_settings *settings,
                        struct grpc_receiver **result, struct err *err)
{
    struct grpc_receiver *receiver = calloc(1, sizeof(*receiver));
    if (!receiver)
        return err_set(err, ERR_BUSY, "memory is short");
    receiver->settings = *settings;
    struct grpcd_settings grpcd = {
        .listen = settings->listen,
        .budget = settings->budget,
        .tls = settings->tls,
        .max_message = settings->max_message,
        .accept_encoding = ENCODINGS,
        .begin = begin,
        .finish = finish,
        .message = als_message,
        .ended = als_ended,
        .refused = refused,
        .stranger = stranger,
        .ctx = receiver,
    };
    if (grpcd_start(&grpcd, &receiver->grpcd, err)) {
        free(receiver);
        return err->code;
    }
    *result = receiver;
    return 0;
}

const char *grpc_receiver_address(const struct grpc_receiver *receiver)
{
    return grpcd_address(receiver->grpcd);
}

void grpc_receiver_take_no_more(struct grpc_receiver *receiver)
{
    grpcd_take_no_more(receiver->grpcd);
}

void grpc_receiver_drain(struct grpc_receiver *receiver, uint64_t until_ns)
{
    grpcd_drain(receiver->grpcd, until_ns);
}

void grpc_receiver_stop(struct grpc_receiver *receiver)
{
    grpcd_stop(receiver->grpcd);
    free(receiver);
}
