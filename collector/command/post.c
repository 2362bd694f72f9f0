/* post.c - a thread and a queue a connection. */
#include "collector/command/post.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/base/grpc_client.h"
#include "collector/base/queue.h"
#include "collector/model/histogram.h"

#define SEND_LIMIT_NS (30 * NS_PER_S)
#define QUEUE 4
#define GRPC "grpc://"
#define EXPORT "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define RETRY_NS (100 * NS_PER_MS)

struct packed {
    char *bytes;
    size_t n_bytes;
    uint32_t n_spans;
    struct posted_span *spans;
};

struct lane {
    struct post *post;
    struct queue *queue;
    pthread_t thread;
    bool runs;
};

struct post {
    char url[1024]; /* by gRPC the address */
    bool grpc;
    bool gzip;
    FILE *acked;
    unsigned n_lanes;
    struct lane lanes[POST_CONNECTIONS];
    pthread_mutex_t mutex; /* guards what follows, and `acked` */
    pthread_cond_t answered;
    struct histogram latencies;
    uint64_t waiting; /* parcels not answered yet */
    char reason[256];
    _Atomic uint64_t n_acked, n_refused, n_failed, n_bytes;
    _Atomic bool stop;
};

static void packed_free(struct packed *packed)
{
    if (!packed)
        return;
    free(packed->bytes);
    free(packed->spans);
    free(packed);
}

static void note_acked(struct post *post, const struct packed *packed, uint64_t took_ns)
{
    post->n_acked += packed->n_spans;
    post->n_bytes += packed->n_bytes;
    pthread_mutex_lock(&post->mutex);
    histogram_add(&post->latencies, took_ns, 1);
    for (uint32_t i = 0; post->acked && i < packed->n_spans; i++)
        fprintf(post->acked, "%016llx%016llx %016llx\n",
                (unsigned long long)packed->spans[i].trace_id.high,
                (unsigned long long)packed->spans[i].trace_id.low,
                (unsigned long long)packed->spans[i].span_id);
    if (post->acked)
        fflush(post->acked);
    pthread_mutex_unlock(&post->mutex);
}

static void note_failure(struct post *post, const char *reason, bool last)
{
    post->n_failed++;
    pthread_mutex_lock(&post->mutex);
    if (!post->reason[0])
        snprintf(post->reason, sizeof(post->reason), "%.*s", (int)sizeof(post->reason) - 1, reason);
    pthread_cond_broadcast(&post->answered);
    pthread_mutex_unlock(&post->mutex);
    if (last)
        post->stop = true;
}

enum taken { TAKEN, LATER, NEVER };

static enum taken taken(const struct post *post, unsigned status)
{
    if (post->grpc) /* RESOURCE_EXHAUSTED, UNAVAILABLE */
        return status == 0 ? TAKEN : status == 8 || status == 14 ? LATER : NEVER;
    return status / 100 == 2 ? TAKEN : status == 429 || status == 503 ? LATER : NEVER;
}

struct sending {
    struct client *client; /* NULL by gRPC */
    struct grpc_client *grpc;
};

static int send_once(const struct post *post, const struct sending *sending,
                     const struct packed *packed, unsigned *status, struct err *err)
{
    struct str body = {packed->bytes, packed->n_bytes};
    struct client_request request = {.method = "POST",
                                     .url = post->url,
                                     .content_type = "application/x-protobuf",
                                     .encoding = post->gzip ? "gzip" : NULL,
                                     .body = body};
    if (post->grpc)
        return grpc_client_call(sending->grpc, EXPORT, body, status, err);
    return client_send(sending->client, &request, status, NULL, err);
}

/* Until it is taken; the receiver's silence ends the run. */
static void send_packed(struct post *post, const struct sending *sending,
                        const struct packed *packed)
{
    while (!post->stop) {
        unsigned status = 0;
        struct err err = {0};
        char text[64];
        uint64_t begin_ns = clock_mono_ns();
        if (send_once(post, sending, packed, &status, &err)) {
            note_failure(post, err.text, true);
            continue;
        }
        switch (taken(post, status)) {
        case TAKEN:
            note_acked(post, packed, clock_mono_ns() - begin_ns);
            return;
        case LATER:
            post->n_refused += packed->n_spans;
            nanosleep(&(struct timespec){.tv_nsec = (long)RETRY_NS}, NULL);
            break;
        default:
            snprintf(text, sizeof(text), "answered %u", status);
            note_failure(post, text, false);
            return;
        }
    }
}

static void *run_lane(void *arg)
{
    struct lane *lane = arg;
    struct post *post = lane->post;
    bool grpc = post->grpc;
    struct sending sending = {.client = grpc ? NULL : client_new(SEND_LIMIT_NS),
                              .grpc = grpc ? grpc_client_new(post->url, SEND_LIMIT_NS) : NULL};
    for (;;) {
        struct packed *packed = queue_pop(lane->queue, NS_PER_S);
        if (!packed && queue_closed(lane->queue) && !queue_length(lane->queue))
            break;
        if (!packed)
            continue;
        if (sending.client || sending.grpc)
            send_packed(post, &sending, packed);
        packed_free(packed);
        pthread_mutex_lock(&post->mutex);
        post->waiting--;
        pthread_cond_broadcast(&post->answered);
        pthread_mutex_unlock(&post->mutex);
    }
    client_free(sending.client);
    grpc_client_free(sending.grpc);
    return NULL;
}

struct post *post_start(const struct post_settings *settings)
{
    struct post *post = calloc(1, sizeof(*post));
    if (!post)
        return NULL;
    post->grpc = str_starts(str_of(settings->to), STR(GRPC));
    post->gzip = settings->gzip && !post->grpc;
    if (post->grpc)
        snprintf(post->url, sizeof(post->url), "%s", settings->to + sizeof(GRPC) - 1);
    else
        snprintf(post->url, sizeof(post->url), "%s/v1/traces", settings->to);
    post->acked = settings->acked;
    post->n_lanes = settings->n_connections;
    pthread_mutex_init(&post->mutex, NULL);
    pthread_cond_init(&post->answered, NULL);
    histogram_init(&post->latencies);
    for (unsigned i = 0; i < post->n_lanes; i++) {
        struct lane *lane = &post->lanes[i];
        *lane = (struct lane){.post = post, .queue = queue_new(QUEUE, 0)};
        lane->runs = lane->queue && pthread_create(&lane->thread, NULL, run_lane, lane) == 0;
        if (!lane->runs) {
            post_join(post);
            post_free(post);
            return NULL;
        }
    }
    return post;
}

static bool pack_gzip(struct packed *packed, struct str body)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t bound = deflateBound(&stream, body.len);
    packed->bytes = malloc(bound);
    stream.next_in = (Bytef *)(uintptr_t)body.p;
    stream.avail_in = (uInt)body.len;
    stream.next_out = (Bytef *)packed->bytes;
    stream.avail_out = (uInt)bound;
    bool good = packed->bytes && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    packed->n_bytes = bound - stream.avail_out;
    deflateEnd(&stream);
    return good;
}

static bool pack_plain(struct packed *packed, struct str body)
{
    packed->bytes = malloc(body.len + 1);
    if (!packed->bytes)
        return false;
    memcpy(packed->bytes, body.p, body.len);
    packed->n_bytes = body.len;
    return true;
}

static struct packed *pack(const struct post *post, const struct parcel *parcel)
{
    struct packed *packed = calloc(1, sizeof(*packed));
    if (!packed)
        return NULL;
    packed->n_spans = parcel->n_spans;
    bool good = post->gzip ? pack_gzip(packed, parcel->body) : pack_plain(packed, parcel->body);
    if (good && post->acked) {
        packed->spans = malloc(parcel->n_spans * sizeof(*packed->spans));
        good = packed->spans != NULL;
        if (good)
            memcpy(packed->spans, parcel->spans, parcel->n_spans * sizeof(*packed->spans));
    }
    if (good)
        return packed;
    packed_free(packed);
    return NULL;
}

bool post_send(struct post *post, const struct parcel *parcel)
{
    struct packed *packed = post->stop ? NULL : pack(post, parcel);
    if (!packed)
        return false;
    pthread_mutex_lock(&post->mutex);
    post->waiting++;
    pthread_mutex_unlock(&post->mutex);
    if (queue_push(post->lanes[parcel->sender % post->n_lanes].queue, packed, 0))
        return true;
    packed_free(packed);
    return false;
}

bool post_settle(struct post *post)
{
    pthread_mutex_lock(&post->mutex);
    while (post->waiting && !post->stop)
        pthread_cond_wait(&post->answered, &post->mutex);
    pthread_mutex_unlock(&post->mutex);
    return !post->stop;
}

void post_abandon(struct post *post)
{
    pthread_mutex_lock(&post->mutex);
    post->stop = true;
    pthread_cond_broadcast(&post->answered);
    pthread_mutex_unlock(&post->mutex);
}

void post_join(struct post *post)
{
    for (unsigned i = 0; i < post->n_lanes; i++) {
        struct lane *lane = &post->lanes[i];
        if (!lane->queue)
            continue;
        queue_close(lane->queue);
        if (lane->runs)
            pthread_join(lane->thread, NULL);
        queue_free(lane->queue);
        lane->queue = NULL;
    }
}

const char *post_reason(const struct post *post)
{
    return post->reason;
}

void post_count(struct post *post, struct post_counts *counts)
{
    pthread_mutex_lock(&post->mutex);
    bool any = post->n_acked > 0;
    *counts = (struct post_counts){
        .acked = post->n_acked,
        .refused = post->n_refused,
        .failed = post->n_failed,
        .bytes = post->n_bytes,
        .ack_p50_ms = any ? (double)histogram_quantile(&post->latencies, 0.5) / 1e6 : 0,
        .ack_p99_ms = any ? (double)histogram_quantile(&post->latencies, 0.99) / 1e6 : 0,
    };
    pthread_mutex_unlock(&post->mutex);
}

void post_free(struct post *post)
{
    if (!post)
        return;
    histogram_fini(&post->latencies);
    pthread_cond_destroy(&post->answered);
    pthread_mutex_destroy(&post->mutex);
    free(post);
}
