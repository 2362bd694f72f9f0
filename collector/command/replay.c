/* replay.c - files into a database or a running collector: OTLP traces, metrics and logs (protobuf,
 * JSON, JSON lines), Zipkin, Jaeger, access logs; plain or compressed, piece by piece. Times are
 * kept, or all moved by one offset so that the latest span ends now.
 *
 * The files are the inbox: pieces are numbered, the database (a note, with --to) knows which of
 * them are stored, and after an interruption the same command skips those.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/command/command.h"
#include "collector/command/pipeline.h"
#include "collector/command/replay_note.h"
#include "collector/command/replay_pieces.h"
#include "collector/command/replay_progress.h"
#include "collector/command/replay_send.h"
#include "collector/decode/decode.h"
#include "collector/decode/move_times.h"
#include "collector/decode/repeats.h"
#include "collector/decode/times.h"
#include "collector/model/ingest_stats.h"
#include "collector/store/store.h"

#define PIECE ((size_t)1 << 20)
#define MAX_PIECE ((size_t)512 << 20)
#define REFUSAL_BYTES 4096
#define MOST_TOLD 10

struct replay {
    const struct options *options;
    struct limits limits;
    struct pipeline *pipeline; /* --db */
    struct replay_mark mark;
    struct repeats *repeats; /* of the file of lines that is read; NULL: none so far */
    struct sender *sender;   /* --to */
    struct replay_note note;
    struct progress progress;
    const char *to;
    int format;               /* --as; −1: by content */
    bool looking;             /* first pass of --shift: only the times are wanted */
    const char *path;         /* the file at hand */
    uint32_t n_told;          /* lines that were left out, and were told of */
    uint64_t n_file_rejected; /* records of it that were rejected and are not told of yet */
    char first_reason[160];   /* of the first of them */
    uint64_t first_offset;    /* the byte where its piece begins, which it counts from */
    uint64_t n_pieces;        /* so far, those that are skipped too */
    uint64_t n_files, n_records, n_accepted, n_rejected, n_duplicate, from_ns, to_ns;
    uint64_t spans_to_ns; /* the end of the latest span, which --shift makes now */
    struct err err;
};

static atomic_bool interrupted;

/* A second signal ends the process at once. */
static void interrupt(int number)
{
    signal(number, SIG_DFL);
    interrupted = true;
}

static void note_time(struct replay *replay, uint64_t from_ns, uint64_t to_ns)
{
    replay->from_ns = !replay->from_ns || from_ns < replay->from_ns ? from_ns : replay->from_ns;
    replay->to_ns = to_ns > replay->to_ns ? to_ns : replay->to_ns;
}

/* Its start is a time, though its end may not be known. */
static bool has_time(const struct span *span)
{
    bool open_end = span->duration_ns == DURATION_UNKNOWN && !time_is_odd(span->start_ns);
    return !span->bad_times || open_end;
}

static void note_times(struct replay *replay, const struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        const struct span *span = &batch->spans[i];
        uint64_t end_ns =
            span->start_ns + (span->duration_ns == DURATION_UNKNOWN ? 0 : span->duration_ns);
        if (!has_time(span))
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

/* Moves the times of a piece by --shift: in its bytes, which are taken, given anew and moved with
 * all that they hold. False where that is no matter of bytes. */
static bool shift_bytes(struct replay *replay, struct content content, struct str *bytes)
{
    struct buf out;
    buf_init(&out, MAX_PIECE + 1);
    bool moved = move_times(content, *bytes, replay->mark.shift_ns, &out);
    if (moved && !buf_failed(&out)) {
        free((char *)(uintptr_t)bytes->p);
        bytes->p = buf_detach(&out, &bytes->len);
    } else if (moved) {
        err_set(&replay->err, ERR_BUSY, "memory is short");
    }
    buf_fini(&out);
    return moved;
}

/* Lines of access logs: their spans alone. */
static void shift_spans(const struct replay *replay, struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        if (has_time(&batch->spans[i]))
            batch->spans[i].start_ns += (uint64_t)replay->mark.shift_ns;
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
    body->received_ns = replay->mark.received_ns;
    if (pipeline_feed(replay->pipeline, body, &replay->err)) {
        body_free(body);
        return replay->err.code;
    }
    return 0;
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

/* A decoded piece on its way; takes bytes and batch. `refused`: a collector need not see it. */
static int hand_on(struct replay *replay, struct content content, struct str bytes,
                   struct batch *batch, bool refused)
{
    if (replay->pipeline)
        return feed_db(replay, content, (char *)(uintptr_t)bytes.p, bytes.len, batch);
    if (refused || sender_send(replay->sender, content, bytes, batch, &replay->err) == 0)
        replay_note_put(&replay->note, replay->n_pieces, replay->mark.shift_ns);
    batch_free(batch);
    free((char *)(uintptr_t)bytes.p);
    return replay->err.code;
}

/* To be told at the file's end. */
static void note_rejected(struct replay *replay, const struct pieces *pieces,
                          const struct batch *batch)
{
    if (!replay->n_file_rejected && batch->counts.n_rejected) {
        memcpy(replay->first_reason, batch->first_reason, sizeof(replay->first_reason));
        replay->first_offset = pieces_offset(pieces);
    }
    replay->n_file_rejected += batch->counts.n_rejected;
}

static void tell_rejected(struct replay *replay)
{
    uint64_t n = replay->n_file_rejected, offset = replay->first_offset;
    char from[64] = "";
    if (!n)
        return;
    if (offset)
        snprintf(from, sizeof(from), "from byte %llu on: ", (unsigned long long)offset);
    progress_wipe(&replay->progress);
    fprintf(stderr, "faultline replay: %s: %llu %s rejected%s%s%s\n", replay->path,
            (unsigned long long)n, n == 1 ? "record is" : "records are",
            n == 1 ? ": " : "; the first: ", from, replay->first_reason);
    replay->n_file_rejected = 0;
}

static void count(struct replay *replay, const struct batch *batch)
{
    replay->n_records += batch_records(batch) + batch->counts.n_rejected;
    replay->n_accepted += batch_records(batch);
    replay->n_rejected += batch->counts.n_rejected;
}

/* A file's pieces are many bodies, its equal lines so many requests wherever they stand. Pieces
 * that are skipped count as well. */
static int tell_repeats(struct replay *replay, struct str *bytes)
{
    struct buf out;
    buf_init(&out, MAX_PIECE);
    if (!replay->repeats)
        replay->repeats = repeats_new();
    if (replay->repeats && repeats_write(replay->repeats, *bytes, &out)) {
        free((char *)(uintptr_t)bytes->p);
        bytes->p = buf_detach(&out, &bytes->len);
    } else {
        err_set(&replay->err, ERR_BUSY, "memory is short");
    }
    buf_fini(&out);
    return replay->err.code;
}

/* A line that is no document counts as one record that was refused: an empty batch takes its place,
 * so that pieces keep their numbers. */
static int refuse_line(struct replay *replay, uint64_t line, struct batch **batch)
{
    struct err why = replay->err;
    *batch = batch_new(REFUSAL_BYTES);
    if (!*batch)
        return err_set(&replay->err, ERR_BUSY, "memory is short");
    replay->err.code = ERR_NONE;
    batch_reject(*batch, "line %llu: %s", (unsigned long long)line, why.text);
    if (replay->looking || replay->n_told > MOST_TOLD)
        return 0;
    progress_wipe(&replay->progress);
    if (replay->n_told++ < MOST_TOLD)
        fprintf(stderr, "faultline replay: %s: line %llu is left out: %s\n", replay->path,
                (unsigned long long)line, why.text);
    else
        fprintf(stderr, "faultline replay: further lines that are left out are only counted\n");
    return 0;
}

/* Gives the batch of a piece, whose bytes may be others then. `known`: what it is. */
static int read_piece(struct replay *replay, const struct pieces *pieces, struct content content,
                      bool known, struct str *bytes, struct batch **batch)
{
    bool shift = !replay->looking && replay->mark.shift_ns, moved = false;
    if (pieces_is_broken(pieces))
        err_set(&replay->err, ERR_INVALID, "not one whole document of JSON");
    else if (!known)
        err_set(&replay->err, ERR_INVALID, "the format is not known; say --as");
    else if (replay->looking && replay->to && format_is_lines((enum format)content.format))
        err_set(&replay->err, ERR_INVALID,
                "lines of access logs keep their times on the way to a collector; leave out "
                "--shift, or replay them into a file with --db");
    else if (shift)
        moved = shift_bytes(replay, content, bytes);
    if (replay->err.code || decode_content(content, *bytes, &replay->limits, batch, &replay->err))
        return replay->err.code;
    if (shift && !moved)
        shift_spans(replay, *batch);
    return 0;
}

/* One piece; takes its bytes. */
static int feed(struct replay *replay, const struct pieces *pieces, char *bytes, size_t n)
{
    struct batch *batch;
    struct content content = {SIGNAL_TRACES, FORMAT_OTLP_JSON, ENCODING_IDENTITY};
    struct str text = {bytes, n};
    int said = replay->format >= 0 ? replay->format : pieces_format(pieces);
    bool known = !pieces_is_broken(pieces) && content_of(said, text, &content);
    if (known && !replay->looking && format_is_lines((enum format)content.format) &&
        tell_repeats(replay, &text)) {
        free(bytes);
        return replay->err.code;
    }
    bool nothing = !known && pieces_is_rest(pieces);
    uint64_t line = nothing ? 0 : pieces_line(pieces);
    bool skipped = (known || line) && !replay->looking && ++replay->n_pieces <= replay->mark.n_done;
    if (skipped)
        progress_skipped(&replay->progress, pieces_passed(pieces));
    if (skipped || nothing) {
        free((char *)(uintptr_t)text.p);
        return 0;
    }
    read_piece(replay, pieces, content, known, &text, &batch);
    bool refused =
        line && replay->err.code == ERR_INVALID && !format_is_lines((enum format)content.format);
    if (refused)
        refuse_line(replay, line, &batch);
    if (replay->err.code) {
        free((char *)(uintptr_t)text.p);
        return replay->err.code;
    }
    note_times(replay, batch);
    if (replay->looking) {
        batch_free(batch);
        free((char *)(uintptr_t)text.p);
        return 0;
    }
    count(replay, batch);
    if (!refused)
        note_rejected(replay, pieces, batch);
    return hand_on(replay, content, text, batch, refused);
}

static int replay_file(struct replay *replay, const char *path)
{
    struct pieces *pieces;
    char *bytes;
    size_t n;
    replay->path = path;
    if (pieces_open(path, replay->format, PIECE, &pieces, &replay->err))
        return err_prefix(&replay->err, "%s", path);
    while (!interrupted && pieces_next(pieces, &bytes, &n, &replay->err) == 0 && bytes) {
        if (feed(replay, pieces, bytes, n)) {
            err_prefix(&replay->err, "from byte %llu on",
                       (unsigned long long)pieces_offset(pieces));
            break;
        }
        progress_show(&replay->progress, pieces_passed(pieces), replay->n_records);
    }
    pieces_close(pieces);
    repeats_free(replay->repeats);
    replay->repeats = NULL;
    tell_rejected(replay);
    if (replay->err.code)
        err_prefix(&replay->err, "%s", path);
    progress_next_file(&replay->progress, path);
    replay->n_files++;
    return replay->err.code;
}

static int replay_all(struct replay *replay, const char *what)
{
    progress_begin(&replay->progress, what, replay->options->rest, replay->options->n_rest);
    for (size_t i = 0; i < replay->options->n_rest && !replay->err.code && !interrupted; i++)
        replay_file(replay, replay->options->rest[i]);
    progress_end(&replay->progress);
    if (interrupted && !replay->err.code)
        err_set(&replay->err, ERR_IO, "interrupted%s",
                replay->mark.files ? "; the same command goes on where it stopped" : "");
    return replay->err.code;
}

/* A collector says that it took a body, not what of it was there: `accepted` is then what it took.
 */
static void print_result(const struct replay *replay)
{
    struct buf out;
    buf_init(&out, 4096);
    buf_addf(&out,
             "{\"files\":%llu,\"records\":%llu,\"accepted\":%llu,\"duplicate\":%llu,"
             "\"rejected\":%llu,\"from\":",
             (unsigned long long)replay->n_files, (unsigned long long)replay->n_records,
             (unsigned long long)(replay->n_accepted - replay->n_duplicate),
             (unsigned long long)replay->n_duplicate, (unsigned long long)replay->n_rejected);
    buf_add_json_time(&out, replay->from_ns);
    buf_add_c(&out, ",\"to\":");
    buf_add_json_time(&out, replay->to_ns);
    buf_add_c(&out, "}\n");
    fwrite(out.p, 1, out.len, stdout);
    buf_fini(&out);
}

/* Everything is fed; what is left is to cut and commit it. */
static int finish(struct replay *replay)
{
    uint64_t n_cut;
    if (!replay->pipeline) {
        replay_note_close(&replay->note, true);
        return sender_flush(replay->sender, &replay->err);
    }
    if (pipeline_flush(replay->pipeline, &n_cut, &replay->err) == 0) {
        replay->n_duplicate = ingest_counted(INGEST_DUPLICATE);
        pipeline_replay_ends(replay->pipeline);
    }
    return replay->err.code;
}

/* What makes it the same replay, beside the files: in a database how they are read, else who gets
 * them. */
static uint64_t files_of(const struct replay *replay)
{
    char how[4200];
    snprintf(how, sizeof(how), "%d %d %s", replay->format, option(replay->options, "shift") != NULL,
             replay->to ? replay->to : "");
    return replay_files(replay->options->rest, replay->options->n_rest, how);
}

/* --shift: looks at all times first. */
static void find_shift(struct replay *replay)
{
    replay->looking = true;
    replay_all(replay, "looking for the latest time");
    replay->looking = false;
    uint64_t latest_ns = replay->spans_to_ns ? replay->spans_to_ns : replay->to_ns;
    replay->mark.shift_ns = latest_ns ? (int64_t)(replay->mark.received_ns - latest_ns) : 0;
    replay->mark.shift_ns -= replay->mark.shift_ns % (int64_t)NS_PER_US; /* what Zipkin can say */
    replay->n_files = 0;
    replay->from_ns = replay->to_ns = 0;
}

static void open_target(struct replay *replay, const struct settings *settings)
{
    if (replay->to) {
        replay->mark.n_done =
            replay_note_open(&replay->note, replay->mark.files, &replay->mark.shift_ns);
        replay->sender = sender_new(replay->to);
        if (!replay->sender)
            err_set(&replay->err, ERR_BUSY, "memory is short");
    } else if (pipeline_start(settings, &replay->mark, &replay->pipeline, &replay->err) == 0) {
        replay->limits.redaction = pipeline_limits(replay->pipeline)->redaction;
    }
    if (!replay->err.code && replay->mark.n_done)
        fprintf(stderr, "faultline replay: goes on where it was interrupted, behind %llu pieces\n",
                (unsigned long long)replay->mark.n_done);
}

static bool read_options(struct replay *replay)
{
    const char *as = option(replay->options, "as");
    if (!replay->options->n_rest || (option(replay->options, "db") && replay->to)) {
        fprintf(stderr, "faultline replay: give files; --db or --to, not both\n");
        return false;
    }
    if (as && ((replay->format = format_from_word(str_of(as))) < 0 ||
               !decode_for((struct content){SIGNAL_TRACES, (uint8_t)replay->format, 0}))) {
        fprintf(stderr, "faultline replay: --as is otlp_pb, otlp_json, zipkin_json, zipkin_pb, "
                        "jaeger_json, alb, nlb, apigw, nginx, haproxy or envoy_log\n");
        return false;
    }
    return true;
}

int command_replay(const struct options *options)
{
    struct settings settings;
    struct replay replay = {
        .options = options, .to = option(options, "to"), .format = -1, .note.fd = -1};
    if (!read_options(&replay))
        return EXIT_USAGE;
    struct config *config = options_store(options, &settings);
    if (!config)
        return EXIT_USAGE;
    replay.limits = settings_limits(&settings);
    replay.limits.max_spans = UINT32_MAX;
    replay.limits.max_decoded = MAX_PIECE;
    replay.mark.files = files_of(&replay);
    replay.mark.received_ns = clock_wall_ns();
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    if (option(options, "shift"))
        find_shift(&replay);
    if (!replay.err.code)
        open_target(&replay, &settings);
    if (!replay.err.code && !replay_all(&replay, "reading") && !finish(&replay))
        print_result(&replay);
    pipeline_stop(replay.pipeline);
    sender_free(replay.sender);
    replay_note_close(&replay.note, false);
    config_free(config);
    if (!replay.err.code)
        return EXIT_GOOD;
    fprintf(stderr, "faultline replay: %s\n", replay.err.text);
    return replay.err.code == ERR_INVALID ? EXIT_USAGE : EXIT_NOT_DONE;
}
