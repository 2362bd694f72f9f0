/* replay.c - files into a database or a running collector: OTLP (protobuf, JSON, JSON lines),
 * Zipkin JSON and access logs, plain or compressed. Times are kept, or all moved by one offset so
 * that the latest span ends now.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/base/inflate.h"
#include "collector/base/json.h"
#include "collector/base/wire.h"
#include "collector/command/command.h"
#include "collector/command/pipeline.h"
#include "collector/decode/decode.h"
#include "collector/model/ingest_stats.h"

#define MAX_FILE ((size_t)2 << 30)
#define PIECE ((size_t)4 << 20)
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
    struct err err;
};

static char *read_file(const char *path, size_t *n, struct err *err)
{
    FILE *file = fopen(path, "rb");
    struct buf all;
    char part[65536];
    buf_init(&all, MAX_FILE);
    if (!file) {
        err_set(err, ERR_IO, "%s: cannot be read", path);
        return NULL;
    }
    for (size_t size; (size = fread(part, 1, sizeof(part), file)) > 0;)
        buf_add(&all, part, size);
    fclose(file);
    char *bytes = buf_detach(&all, n);
    if (!bytes)
        err_set(err, ERR_TOO_BIG, "%s: larger than %zu bytes", path, MAX_FILE);
    return bytes;
}

/* gzip and zstd by their first bytes; gives other bytes back as they are. */
static char *unpacked(char *bytes, size_t *n, struct err *err)
{
    const unsigned char *magic = (const unsigned char *)bytes;
    bool gzip = *n > 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    bool zstd =
        *n > 4 && magic[0] == 0x28 && magic[1] == 0xb5 && magic[2] == 0x2f && magic[3] == 0xfd;
    char *out = NULL;
    if (!gzip && !zstd)
        return bytes;
    inflate_all(gzip ? INFLATE_GZIP : INFLATE_ZSTD, (struct str){bytes, *n}, MAX_FILE, &out, n,
                err);
    free(bytes);
    return out;
}

static void note_times(struct replay *replay, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        const struct span *span = &batch->spans[i];
        uint64_t end_ns =
            span->start_ns + (span->duration_ns == DURATION_UNKNOWN ? 0 : span->duration_ns);
        if (span->bad_times)
            continue;
        replay->from_ns =
            !replay->from_ns || span->start_ns < replay->from_ns ? span->start_ns : replay->from_ns;
        replay->to_ns = end_ns > replay->to_ns ? end_ns : replay->to_ns;
    }
}

static void shift_batch(const struct replay *replay, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_spans && replay->shift_ns; i++) {
        if (!batch->spans[i].bad_times)
            batch->spans[i].start_ns += (uint64_t)replay->shift_ns;
    }
}

static int feed_db(struct replay *replay, enum format format, struct str bytes, struct batch *batch)
{
    char *copy = malloc(bytes.len + 1);
    struct body *body = copy ? body_new(copy, bytes.len) : NULL;
    if (!body) {
        free(copy);
        batch_free(batch);
        return err_set(&replay->err, ERR_BUSY, "memory is short");
    }
    body->batch = batch;
    body->format = (uint8_t)format;
    body->transport = TRANSPORT_FILE;
    body->received_ns = clock_wall_ns();
    if (pipeline_feed(replay->pipeline, body, &replay->err)) {
        body_free(body);
        return replay->err.code;
    }
    return 0;
}

static int feed_url(struct replay *replay, enum format format, struct str bytes)
{
    char url[4096];
    unsigned status = 0;
    struct buf answer;
    buf_init(&answer, 1u << 20);
    bool zipkin = format == FORMAT_ZIPKIN_JSON, lines = format_is_lines(format);
    snprintf(url, sizeof(url), "%s%s%s", replay->to,
             lines    ? "/v1/access-logs/"
             : zipkin ? "/api/v2/spans"
                      : "/v1/traces",
             lines ? format_word(format) : "");
    struct client_request request = {
        .method = "POST",
        .url = url,
        .content_type = lines                      ? "text/plain"
                        : format == FORMAT_OTLP_PB ? "application/x-protobuf"
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

/* One body. The batch's texts point into `bytes`, which must live until it is stitched. */
static int feed(struct replay *replay, struct str bytes)
{
    struct batch *batch;
    int format = replay->format >= 0 ? replay->format : decode_guess(bytes);
    if (format < 0)
        return err_set(&replay->err, ERR_INVALID, "the format is not known; say --as");
    char *own = malloc(bytes.len + 1);
    if (!own)
        return err_set(&replay->err, ERR_BUSY, "memory is short");
    memcpy(own, bytes.p, bytes.len);
    own[bytes.len] = '\0';
    if (decode_body((enum format)format, ENCODING_IDENTITY, (struct str){own, bytes.len},
                    &replay->limits, &batch, &replay->err)) {
        free(own);
        return replay->err.code;
    }
    batch->bytes = own;
    note_times(replay, batch);
    if (replay->looking) {
        batch_free(batch);
        return 0;
    }
    shift_batch(replay, batch);
    replay->n_records += batch->n_spans + batch->counts.n_rejected;
    replay->n_accepted += batch->n_spans;
    replay->n_rejected += batch->counts.n_rejected;
    if (replay->pipeline)
        return feed_db(replay, (enum format)format, bytes, batch);
    batch_free(batch);
    return feed_url(replay, (enum format)format, bytes);
}

/* A JSON document a line, as the OpenTelemetry Collector's file exporter writes: the first line is
 * whole by itself. */
static bool is_json_lines(struct str text)
{
    struct str line, rest;
    struct json json;
    if (!str_cut(text, '\n', &line, &rest) || !str_trim(rest).len || str_trim(line).len == 0 ||
        line.p[0] != '{')
        return false;
    json_init(&json, line);
    return json_skip(&json, NULL) && json_end(&json);
}

/* Is it one or more OTLP requests in protobuf, one behind the other? That is the same as one
 * request of all their resources, so it can be cut between any two of them. */
static bool is_protobuf(const struct replay *replay, struct str text)
{
    struct wire wire = wire_of(text);
    if ((replay->format >= 0 ? replay->format : decode_guess(text)) != FORMAT_OTLP_PB)
        return false;
    while (wire_next(&wire)) {
    }
    return !wire.error;
}

/* Pieces of a large file: as little in memory as of what comes over the network. */
static void feed_in_pieces(struct replay *replay, struct str text)
{
    struct wire wire = wire_of(text);
    const char *from = text.p;
    while (!replay->err.code && wire_next(&wire)) {
        const char *to = (const char *)wire.at;
        if ((size_t)(to - from) < PIECE && wire.at < wire.end)
            continue;
        feed(replay, (struct str){from, (size_t)(to - from)});
        from = to;
    }
}

/* The same of a log: cut behind whole lines. */
static void feed_lines(struct replay *replay, struct str text)
{
    while (!replay->err.code && text.len) {
        const char *end = text.len > PIECE ? memchr(text.p + PIECE, '\n', text.len - PIECE) : NULL;
        size_t n = end ? (size_t)(end - text.p) + 1 : text.len;
        feed(replay, (struct str){text.p, n});
        text = str_skip(text, n);
    }
}

static int replay_file(struct replay *replay, const char *path)
{
    size_t n;
    char *bytes = read_file(path, &n, &replay->err);
    bytes = bytes ? unpacked(bytes, &n, &replay->err) : NULL;
    if (!bytes)
        return replay->err.code;
    struct str text = {bytes, n}, line;
    int format = replay->format >= 0 ? replay->format : decode_guess(text);
    if (format >= 0 && format_is_lines((enum format)format)) {
        feed_lines(replay, text);
    } else if (is_json_lines(text)) {
        while (text.len && !replay->err.code) {
            str_cut(text, '\n', &line, &text);
            if (str_trim(line).len)
                feed(replay, str_trim(line));
        }
    } else if (text.len > PIECE && is_protobuf(replay, text)) {
        feed_in_pieces(replay, text);
    } else {
        feed(replay, text);
    }
    free(bytes);
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

/* Everything is fed; what is left is to cut and commit it. */
static int finish(struct replay *replay)
{
    uint64_t n_cut;
    if (!replay->pipeline)
        return 0;
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
               !decode_for((enum format)replay.format))) {
        fprintf(stderr,
                "faultline replay: --as is otlp_pb, otlp_json, zipkin_json, alb, nlb, apigw, "
                "nginx, haproxy or envoy_log\n");
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
    replay.limits.max_decoded = MAX_FILE;
    if (option(options, "shift")) {
        replay.looking = true;
        replay_all(&replay);
        replay.looking = false;
        replay.shift_ns = (int64_t)(clock_wall_ns() - replay.to_ns);
        replay.n_files = 0;
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
