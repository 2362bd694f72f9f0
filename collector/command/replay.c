/* replay.c - files into a database or a running collector: OTLP traces, metrics and logs (protobuf,
 * JSON, JSON lines), Zipkin, Jaeger, access logs; plain or compressed, piece by piece. Times are
 * kept, or all moved by one offset so that the latest span ends now.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/command/command.h"
#include "collector/command/pipeline.h"
#include "collector/command/replay_pieces.h"
#include "collector/decode/decode.h"
#include "collector/model/ingest_stats.h"
#include "exporters/otlp.h"

#define PIECE ((size_t)1 << 20)
#define MAX_PIECE ((size_t)512 << 20)
#define SEND_LIMIT_NS (120 * NS_PER_S)

struct replay {
    const struct options *options;
    struct limits limits;
    struct pipeline *pipeline; /* --db */
    struct client *client;     /* --to */
    const char *to;
    int format;   /* --as; −1: by content */
    bool looking; /* first pass of --shift: only the times are wanted */
    int64_t shift_ns;
    uint64_t n_files, n_records, n_accepted, n_rejected, n_duplicate, from_ns, to_ns;
    uint64_t spans_to_ns; /* the end of the latest span, which --shift makes now */
    struct err err;
};

static void note_time(struct replay *replay, uint64_t from_ns, uint64_t to_ns)
{
    replay->from_ns = !replay->from_ns || from_ns < replay->from_ns ? from_ns : replay->from_ns;
    replay->to_ns = to_ns > replay->to_ns ? to_ns : replay->to_ns;
}

static void note_times(struct replay *replay, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        const struct span *span = &batch->spans[i];
        uint64_t end_ns =
            span->start_ns + (span->duration_ns == DURATION_UNKNOWN ? 0 : span->duration_ns);
        if (span->bad_times)
            continue;
        note_time(replay, span->start_ns, end_ns);
        replay->spans_to_ns = end_ns > replay->spans_to_ns ? end_ns : replay->spans_to_ns;
    }
    for (uint32_t i = 0; i < batch->n_points; i++) {
        if (batch->points[i].at_ns)
            note_time(replay, batch->points[i].at_ns, batch->points[i].at_ns);
    }
    for (uint32_t i = 0; i < batch->n_logs; i++) {
        if (batch->logs[i].at_ns)
            note_time(replay, batch->logs[i].at_ns, batch->logs[i].at_ns);
    }
}

static void shift_batch(const struct replay *replay, struct batch *batch)
{
    uint64_t shift_ns = (uint64_t)replay->shift_ns;
    if (!shift_ns)
        return;
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        if (!batch->spans[i].bad_times)
            batch->spans[i].start_ns += shift_ns;
    }
    for (uint32_t i = 0; i < batch->n_points; i++) {
        if (batch->points[i].at_ns)
            batch->points[i].at_ns += shift_ns;
    }
    for (uint32_t i = 0; i < batch->n_logs; i++) {
        if (batch->logs[i].at_ns)
            log_record_move(&batch->logs[i], batch->logs[i].at_ns + shift_ns);
    }
}

/* Takes the batch and the bytes its texts point into. */
static int feed_db(struct replay *replay, struct content content, char *bytes, size_t n,
                   struct batch *batch)
{
    struct body *body = body_new(bytes, n);
    if (!body) {
        free(bytes);
        batch_free(batch);
        return err_set(&replay->err, ERR_BUSY, "memory is short");
    }
    body->batch = batch;
    body->signal = content.signal;
    body->format = content.format;
    body->transport = TRANSPORT_FILE;
    body->received_ns = clock_wall_ns();
    if (pipeline_feed(replay->pipeline, body, &replay->err)) {
        body_free(body);
        return replay->err.code;
    }
    return 0;
}

static int feed_url(struct replay *replay, struct content content, struct str bytes)
{
    static const char *const paths[N_SIGNALS] = {"/v1/traces", "/v1/metrics", "/v1/logs"};
    char url[4096];
    unsigned status = 0;
    struct buf answer;
    bool zipkin = content.format == FORMAT_ZIPKIN_JSON || content.format == FORMAT_ZIPKIN_PB;
    bool protobuf = content.format == FORMAT_OTLP_PB || content.format == FORMAT_ZIPKIN_PB;
    buf_init(&answer, 1u << 20);
    bool lines = format_is_lines((enum format)content.format);
    snprintf(url, sizeof(url), "%s%s%s", replay->to,
             lines    ? "/v1/access-logs/"
             : zipkin ? "/api/v2/spans"
                      : paths[content.signal],
             lines ? format_word(content.format) : "");
    struct client_request request = {
        .method = "POST",
        .url = url,
        .content_type = lines      ? "text/plain"
                        : protobuf ? "application/x-protobuf"
                                   : "application/json",
        .body = bytes,
    };
    if (client_send(replay->client, &request, &status, &answer, &replay->err) == 0 &&
        status / 100 != 2)
        err_set(&replay->err, ERR_IO, "%s answered %u: %.*s", url, status,
                (int)(answer.len < 200 ? answer.len : 200), answer.p ? answer.p : "");
    buf_fini(&answer);
    return replay->err.code;
}

/* No port takes Jaeger's JSON: its spans go as OTLP. Those that were refused stay here. */
static int feed_url_as_otlp(struct replay *replay, const struct batch *batch)
{
    struct content content = {SIGNAL_TRACES, FORMAT_OTLP_JSON, ENCODING_IDENTITY};
    struct buf body;
    buf_init(&body, MAX_PIECE);
    otlp_json_write(&body, batch);
    if (buf_failed(&body))
        err_set(&replay->err, ERR_BUSY, "memory is short");
    else
        feed_url(replay, content, buf_str(&body));
    buf_fini(&body);
    return replay->err.code;
}

/* What a piece is: by its content, or as the user or the file's first line says, who know no
 * signal. */
static bool content_of(int said, struct str bytes, struct content *content)
{
    *content = (struct content){SIGNAL_TRACES, 0, ENCODING_IDENTITY};
    bool known = decode_guess(bytes, content);
    if (said < 0)
        return known;
    if (!known || content->format != said)
        content->signal = SIGNAL_TRACES;
    content->format = (uint8_t)said;
    return true;
}

/* One piece; takes its bytes. */
static int feed(struct replay *replay, const struct pieces *pieces, char *bytes, size_t n)
{
    struct batch *batch;
    struct content content;
    struct str text = {bytes, n};
    int said = replay->format >= 0 ? replay->format : pieces_format(pieces);
    bool known = content_of(said, text, &content);
    if (!known && pieces_is_rest(pieces)) {
        free(bytes);
        return 0;
    }
    if (!known)
        err_set(&replay->err, ERR_INVALID, "the format is not known; say --as");
    else
        decode_content(content, text, &replay->limits, &batch, &replay->err);
    if (replay->err.code) {
        free(bytes);
        return replay->err.code;
    }
    note_times(replay, batch);
    if (replay->looking) {
        batch_free(batch);
        free(bytes);
        return 0;
    }
    shift_batch(replay, batch);
    replay->n_records += batch_records(batch) + batch->counts.n_rejected;
    replay->n_accepted += batch_records(batch);
    replay->n_rejected += batch->counts.n_rejected;
    if (replay->pipeline)
        return feed_db(replay, content, bytes, n, batch);
    if (content.format == FORMAT_JAEGER_JSON)
        feed_url_as_otlp(replay, batch);
    else
        feed_url(replay, content, text);
    batch_free(batch);
    free(bytes);
    return replay->err.code;
}

static int replay_file(struct replay *replay, const char *path)
{
    struct pieces *pieces;
    char *bytes;
    size_t n;
    if (pieces_open(path, replay->format, PIECE, &pieces, &replay->err))
        return err_prefix(&replay->err, "%s", path);
    while (pieces_next(pieces, &bytes, &n, &replay->err) == 0 && bytes) {
        if (feed(replay, pieces, bytes, n)) {
            err_prefix(&replay->err, "from byte %llu on",
                       (unsigned long long)pieces_offset(pieces));
            break;
        }
    }
    pieces_close(pieces);
    if (replay->err.code)
        err_prefix(&replay->err, "%s", path);
    replay->n_files++;
    return replay->err.code;
}

static int replay_all(struct replay *replay)
{
    for (size_t i = 0; i < replay->options->n_rest; i++) {
        if (replay_file(replay, replay->options->rest[i]))
            return replay->err.code;
    }
    return 0;
}

static void print_result(const struct replay *replay)
{
    struct buf out;
    buf_init(&out, 4096);
    buf_addf(&out,
             "{\"files\":%llu,\"records\":%llu,\"accepted\":%llu,\"duplicate\":%llu,\"rejected\":%"
             "llu,\"from\":\"",
             (unsigned long long)replay->n_files, (unsigned long long)replay->n_records,
             (unsigned long long)(replay->n_accepted - replay->n_duplicate),
             (unsigned long long)replay->n_duplicate, (unsigned long long)replay->n_rejected);
    buf_add_time(&out, replay->from_ns + (uint64_t)replay->shift_ns);
    buf_add_c(&out, "\",\"to\":\"");
    buf_add_time(&out, replay->to_ns + (uint64_t)replay->shift_ns);
    buf_add_c(&out, "\"}\n");
    fwrite(out.p, 1, out.len, stdout);
    buf_fini(&out);
}

/* Where a collector flushes: its port for data says where its page is. */
static int flush_url(struct replay *replay)
{
    static const struct str mark = STR("page is at ");
    char url[4096];
    unsigned status = 0;
    struct buf answer;
    struct client_request ask = {.method = "GET", .url = url};
    struct client_request flush = {.method = "POST", .url = url};
    buf_init(&answer, 1u << 16);
    snprintf(url, sizeof(url), "%s/", replay->to);
    client_send(replay->client, &ask, &status, &answer, &replay->err);
    struct str text = str_trim(buf_str(&answer));
    size_t at = 0;
    while (at < text.len && !str_starts(str_skip(text, at), mark))
        at++;
    struct str page = str_skip(text, at + mark.len);
    if (!replay->err.code && status == 200 && str_starts(page, STR("http"))) {
        snprintf(url, sizeof(url), "%.*s/-/flush", STR_ARG(page));
        client_send(replay->client, &flush, &status, NULL, &replay->err);
        if (!replay->err.code && status / 100 != 2)
            fprintf(stderr, "faultline replay: all is sent, but not flushed: %s answered %u\n", url,
                    status);
    }
    buf_fini(&answer);
    return replay->err.code;
}

/* Everything is fed; what is left is to cut and commit it. */
static int finish(struct replay *replay)
{
    uint64_t n_cut;
    if (!replay->pipeline)
        return flush_url(replay);
    if (pipeline_flush(replay->pipeline, &n_cut, &replay->err) == 0)
        replay->n_duplicate = ingest_counted(INGEST_DUPLICATE);
    return replay->err.code;
}

int command_replay(const struct options *options)
{
    struct config_input input;
    const char *db = option(options, "db"), *as = option(options, "as");
    struct replay replay = {.options = options, .to = option(options, "to"), .format = -1};
    if (!options->n_rest || (db && replay.to) || (replay.to && option(options, "shift"))) {
        fprintf(stderr,
                "faultline replay: give files; --db or --to, not both; --shift goes with --db\n");
        return EXIT_USAGE;
    }
    if (as && ((replay.format = format_from_word(str_of(as))) < 0 ||
               !decode_for((struct content){SIGNAL_TRACES, (uint8_t)replay.format, 0}))) {
        fprintf(stderr, "faultline replay: --as is otlp_pb, otlp_json, zipkin_json, zipkin_pb, "
                        "jaeger_json, alb, nlb, apigw, nginx, haproxy or envoy_log\n");
        return EXIT_USAGE;
    }
    struct config *config = options_config(options, &input);
    if (!config)
        return EXIT_USAGE;
    struct settings settings = *config_settings(config);
    if (db)
        settings.store_path = (char *)(uintptr_t)db;
    replay.limits = settings_limits(&settings);
    replay.limits.max_spans = UINT32_MAX;
    replay.limits.max_decoded = MAX_PIECE;
    if (option(options, "shift")) {
        replay.looking = true;
        replay_all(&replay);
        replay.looking = false;
        uint64_t latest_ns = replay.spans_to_ns ? replay.spans_to_ns : replay.to_ns;
        replay.shift_ns = latest_ns ? (int64_t)(clock_wall_ns() - latest_ns) : 0;
        replay.n_files = 0;
        replay.from_ns = replay.to_ns = 0;
    }
    if (replay.to)
        replay.client = client_new(SEND_LIMIT_NS);
    else if (!replay.err.code)
        pipeline_start(&settings, false, &replay.pipeline, &replay.err);
    if (replay.pipeline)
        replay.limits.redaction = pipeline_limits(replay.pipeline)->redaction;
    if (!replay.err.code && !replay_all(&replay) && !finish(&replay))
        print_result(&replay);
    pipeline_stop(replay.pipeline);
    client_free(replay.client);
    config_free(config);
    if (!replay.err.code)
        return EXIT_GOOD;
    fprintf(stderr, "faultline replay: %s\n", replay.err.text);
    return replay.err.code == ERR_INVALID ? EXIT_USAGE : EXIT_NOT_DONE;
}
