/* replay_pieces.c - a window over the file that moves on as pieces are given. */
#include <stdlib.h>
#include <string.h>

#include "collector/base/inflate.h"
#include "collector/base/wire.h"
#include "collector/command/replay_pieces_internal.h"
#include "collector/decode/decode.h"

#define LARGEST ((size_t)256 << 20)
#define READ_BYTES ((size_t)256 << 10)
#define FIRST_LINE ((size_t)64 << 10) /* a longer one is of no access log */

static void subtract(size_t *offset, size_t n)
{
    *offset = *offset > n ? *offset - n : 0;
}

/* Forgets what was given; all offsets follow. */
static void compact(struct pieces *pieces)
{
    struct buf *window = &pieces->window;
    struct document *document = &pieces->document;
    size_t *const offsets[] = {&pieces->at,          &document->begin,   &document->text_begin,
                               &document->key_begin, &document->key_end, &document->from,
                               &document->last_end};
    if (!pieces->keep)
        return;
    memmove(window->p, window->p + pieces->keep, window->len - pieces->keep);
    window->len -= pieces->keep;
    pieces->passed += pieces->keep;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
        subtract(offsets[i], pieces->keep);
    pieces->keep = 0;
}

int pieces_fill(struct pieces *pieces, struct err *err)
{
    struct buf *window = &pieces->window;
    size_t n;
    compact(pieces);
    if (!buf_reserve(window, READ_BYTES))
        return window->short_of_memory ? err_set(err, ERR_BUSY, "memory is short")
                                       : err_set(err, ERR_TOO_BIG,
                                                 "one document, or one element of its list, is "
                                                 "larger than 256 MiB");
    if (inflate_file_read(pieces->file, window->p + window->len, READ_BYTES, &n, err))
        return err->code;
    window->len += n;
    pieces->ended = n == 0;
    return 0;
}

static bool is_access_log(struct pieces *pieces, int format)
{
    struct content content;
    const struct buf *window = &pieces->window;
    if (format >= 0)
        return format_is_lines((enum format)format);
    struct str all = window_part(pieces, pieces->keep, window->len), line, rest;
    if (!str_cut(all, '\n', &line, &rest))
        line = all;
    /* A blank line is also how protobuf begins: then more of the file tells. */
    if (!decode_guess(str_trim(line).len ? line : all, &content) ||
        !format_is_lines((enum format)content.format))
        return false;
    pieces->format = content.format;
    return true;
}

static int detect(struct pieces *pieces, int format, struct err *err)
{
    const struct buf *window = &pieces->window;
    while (!pieces->ended && window->len < FIRST_LINE) {
        if (pieces_fill(pieces, err))
            return err->code;
    }
    if (str_starts(buf_str(window), STR(BYTE_ORDER_MARK)))
        pieces->at = pieces->keep = sizeof(BYTE_ORDER_MARK) - 1;
    if (is_access_log(pieces, format)) {
        pieces->kind = KIND_LINES;
        return 0;
    }
    struct str text = str_trim((struct str){window->p + pieces->at, window->len - pieces->at});
    if (window->len && window->p[0] == 0)
        pieces->kind = KIND_FRAMES;
    else if (text.len && (text.p[0] == '{' || text.p[0] == '['))
        pieces->kind = KIND_JSON;
    else
        pieces->kind = text.len && window->p[0] != 0x0a ? KIND_JSON : KIND_FIELDS;
    if (pieces->kind == KIND_FIELDS && !text.len)
        pieces->kind = KIND_JSON; /* nothing but blanks */
    return pieces->kind == KIND_JSON ? pieces_look_at_first_line(pieces, err) : 0;
}

int pieces_open(const char *path, int format, size_t piece, struct pieces **result, struct err *err)
{
    struct pieces *pieces = calloc(1, sizeof(*pieces));
    if (!pieces)
        return err_set(err, ERR_BUSY, "memory is short");
    pieces->piece = piece;
    pieces->format = -1;
    buf_init(&pieces->window, LARGEST);
    buf_init(&pieces->opening, 4096);
    if (inflate_file_open(path, &pieces->file, err) || detect(pieces, format, err)) {
        pieces_close(pieces);
        return err->code;
    }
    *result = pieces;
    return 0;
}

void pieces_close(struct pieces *pieces)
{
    if (!pieces)
        return;
    inflate_file_close(pieces->file);
    buf_fini(&pieces->window);
    buf_fini(&pieces->opening);
    free(pieces);
}

int pieces_format(const struct pieces *pieces)
{
    return pieces->format;
}

bool pieces_is_rest(const struct pieces *pieces)
{
    return pieces->rest;
}

uint64_t pieces_line(const struct pieces *pieces)
{
    return pieces->piece_line;
}

bool pieces_is_broken(const struct pieces *pieces)
{
    return pieces->broken;
}

uint64_t pieces_offset(const struct pieces *pieces)
{
    return pieces->offset;
}

uint64_t pieces_passed(const struct pieces *pieces)
{
    return inflate_file_passed(pieces->file);
}

int pieces_give(struct pieces *pieces, const struct str parts[3], size_t begin, char **bytes,
                size_t *n, struct err *err)
{
    *n = parts[0].len + parts[1].len + parts[2].len;
    *bytes = malloc(*n + 1);
    if (!*bytes)
        return err_set(err, ERR_BUSY, "memory is short");
    char *at = *bytes;
    for (int i = 0; i < 3; i++) {
        memcpy(at, parts[i].p ? parts[i].p : "", parts[i].len);
        at += parts[i].len;
    }
    *at = '\0';
    pieces->offset = pieces->passed + begin;
    return 0;
}

/* ---- protobuf ---- */

/* Behind the field that begins at `at`; 0 when the window does not hold all of it. */
static size_t field_end(const struct pieces *pieces, size_t at)
{
    struct wire wire = wire_of(window_part(pieces, at, pieces->window.len));
    if (!wire_next(&wire))
        return 0;
    return (size_t)((const char *)wire.at - pieces->window.p);
}

/* Fields of newer senders alone: all whole, and none is field 1, in which every known message has
 * what it carries. */
static bool all_unknown(struct str fields)
{
    struct wire wire = wire_of(fields);
    while (wire_next(&wire))
        if (wire.field == 1)
            return false;
    return !wire.error;
}

static int next_fields(struct pieces *pieces, char **bytes, size_t *n, struct err *err)
{
    for (;;) {
        size_t end;
        size_t begin = pieces->keep;
        while (pieces->at - begin < pieces->piece && pieces->at < pieces->window.len &&
               (end = field_end(pieces, pieces->at)))
            pieces->at = end;
        bool full = pieces->at - begin >= pieces->piece;
        if (full || (pieces->ended && pieces->window.len > begin)) {
            /* What cannot be read at the end goes to the decoder, which says what is wrong. */
            size_t to = full ? pieces->at : pieces->window.len;
            struct str fields = window_part(pieces, begin, to);
            pieces->at = pieces->keep = to;
            pieces->rest = all_unknown(fields);
            return pieces_give(pieces, (struct str[]){fields, STR_NONE, STR_NONE}, begin, bytes, n,
                               err);
        }
        if (pieces->ended)
            return 0;
        if (pieces_fill(pieces, err))
            return err->code;
    }
}

/* ---- lines ---- */

static int next_lines(struct pieces *pieces, char **bytes, size_t *n, struct err *err)
{
    const struct buf *window = &pieces->window;
    for (;;) {
        size_t begin = pieces->keep, there = window->len - begin, to = 0;
        if (there >= pieces->piece) {
            const char *end = memrchr(window->p + begin, '\n', there);
            to = end ? (size_t)(end + 1 - window->p) : 0;
        }
        if (!to && pieces->ended && there)
            to = window->len;
        if (to) {
            pieces->keep = to;
            return pieces_give(pieces,
                               (struct str[]){window_part(pieces, begin, to), STR_NONE, STR_NONE},
                               begin, bytes, n, err);
        }
        if (pieces->ended)
            return 0;
        if (pieces_fill(pieces, err))
            return err->code;
    }
}

/* ---- frames ---- */

static int unpack(struct str message, char **bytes, size_t *n, struct err *err)
{
    const unsigned char *magic = (const unsigned char *)message.p;
    bool gzip = message.len > 2 && magic[0] == 0x1f && magic[1] == 0x8b;
    return inflate_all(gzip ? INFLATE_GZIP : INFLATE_ZSTD, message, LARGEST, bytes, n, err);
}

static bool is_packed(struct str message)
{
    return message.len > 4 &&
           (memcmp(message.p, "\x1f\x8b", 2) == 0 || memcmp(message.p, "\x28\xb5\x2f\xfd", 4) == 0);
}

static int next_frame(struct pieces *pieces, char **bytes, size_t *n, struct err *err)
{
    const struct buf *window = &pieces->window;
    for (;;) {
        const unsigned char *head = (const unsigned char *)window->p + pieces->keep;
        size_t there = window->len - pieces->keep;
        size_t size = there < 4 ? 0
                                : (size_t)head[0] << 24 | (size_t)head[1] << 16 |
                                      (size_t)head[2] << 8 | head[3];
        if (size > LARGEST - 4)
            return err_set(err, ERR_TOO_BIG, "a message is said to be larger than 256 MiB");
        if (there >= 4 && there >= 4 + size) {
            struct str message = {window->p + pieces->keep + 4, size};
            pieces->offset = pieces->passed + pieces->keep;
            int code = is_packed(message)
                           ? unpack(message, bytes, n, err)
                           : pieces_give(pieces, (struct str[]){message, STR_NONE, STR_NONE}, 0,
                                         bytes, n, err);
            pieces->keep += 4 + size;
            if (code || *n)
                return code;
            free(*bytes); /* an empty message */
            *bytes = NULL;
            continue;
        }
        if (pieces->ended)
            return there ? err_set(err, ERR_INVALID, "the last message ends in the middle") : 0;
        if (pieces_fill(pieces, err))
            return err->code;
    }
}

int pieces_next(struct pieces *pieces, char **bytes, size_t *n, struct err *err)
{
    *bytes = NULL;
    *n = 0;
    err->code = ERR_NONE;
    pieces->rest = pieces->broken = false;
    pieces->piece_line = 0;
    switch (pieces->kind) {
    case KIND_FIELDS:
        return next_fields(pieces, bytes, n, err);
    case KIND_FRAMES:
        return next_frame(pieces, bytes, n, err);
    case KIND_LINES:
        return next_lines(pieces, bytes, n, err);
    default:
        return pieces_next_json(pieces, bytes, n, err);
    }
}
