/* replay_pieces.c - a window over the file that moves on as pieces are given. */
#include "collector/command/replay_pieces.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/buf.h"
#include "collector/base/inflate.h"
#include "collector/base/inflate_file.h"
#include "collector/base/wire.h"
#include "collector/decode/decode.h"

#define LARGEST ((size_t)256 << 20)
#define READ_BYTES ((size_t)256 << 10)
#define FIRST_LINE ((size_t)64 << 10) /* a longer one is of no access log */

enum kind { KIND_JSON, KIND_FIELDS, KIND_FRAMES, KIND_LINES };

/* The document that is being read; offsets into the window. */
struct document {
    bool begun;
    bool cut; /* pieces of it were given already */
    bool in_string, escaped;
    bool in_list; /* the list that can be cut is open */
    bool object;  /* the document is an object, its list one of its members */
    size_t depth, begin, text_begin;
    size_t key_begin, key_end; /* of the last text in the object itself: a member's name */
    size_t from;               /* of the first element of the list that was not given */
    size_t last_end;           /* behind the last whole element; 0: none since */
    uint64_t line;             /* where it began: so many line ends stand before */
};

/* How documents stand in a file: the first and what follows it tell. */
enum form { FORM_UNKNOWN, FORM_LINES, FORM_OTHER };

struct pieces {
    struct inflate_file *file;
    size_t piece; /* from so many bytes on a list is cut */
    struct buf window;
    bool ended; /* the file has nothing more */
    enum kind kind;
    int format;  /* of lines, by the first of them; −1: not found out */
    size_t at;   /* looked at so far */
    size_t keep; /* what stands before was given and goes with the next reading */
    uint64_t passed, offset;
    struct document document;
    struct buf opening; /* {"name":[ of the list that is cut */
    bool rest;          /* the last piece was a further one, and may hold nothing known */
    enum form form;
    bool one_ended, line_ended; /* the first document, and then its line */
    bool skipping;              /* what stands in this line is not looked at */
    uint64_t line, piece_line;  /* line ends so far; 0, or the number of the last piece's line */
    bool broken;                /* the last piece was a line that is no document */
};

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

static int fill(struct pieces *pieces, struct err *err)
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
    struct str all = {window->p, window->len}, line, rest;
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
        if (fill(pieces, err))
            return err->code;
    }
    if (is_access_log(pieces, format)) {
        pieces->kind = KIND_LINES;
        return 0;
    }
    if (window->len >= 3 && memcmp(window->p, "\xef\xbb\xbf", 3) == 0)
        pieces->at = 3; /* a mark that some editors put before text */
    struct str text = str_trim((struct str){window->p + pieces->at, window->len - pieces->at});
    if (window->len && window->p[0] == 0)
        pieces->kind = KIND_FRAMES;
    else if (text.len && (text.p[0] == '{' || text.p[0] == '['))
        pieces->kind = KIND_JSON;
    else
        pieces->kind = text.len && window->p[0] != 0x0a ? KIND_JSON : KIND_FIELDS;
    if (pieces->kind == KIND_FIELDS && !text.len)
        pieces->kind = KIND_JSON; /* nothing but blanks */
    return 0;
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

static int give(struct pieces *pieces, const struct str parts[3], size_t begin, char **bytes,
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

/* ---- JSON ---- */

static struct str window_part(const struct pieces *pieces, size_t from, size_t to)
{
    return (struct str){pieces->window.p + from, to - from};
}

/* Elements up to `to`, which were not given, between the brackets that they need. */
static int give_elements(struct pieces *pieces, size_t to, char **bytes, size_t *n, struct err *err)
{
    struct document *document = &pieces->document;
    struct str opening = buf_str(&pieces->opening);
    size_t from = document->from;
    if (!document->cut) {
        from = document->begin;
        opening = STR_NONE;
    }
    pieces->rest = document->cut;
    struct str closing = document->object ? STR("]}") : STR("]");
    if (give(pieces, (struct str[]){opening, window_part(pieces, from, to), closing}, from, bytes,
             n, err))
        return err->code;
    document->cut = true;
    document->last_end = 0;
    return 0;
}

static void begin_list(struct pieces *pieces)
{
    struct document *document = &pieces->document;
    document->in_list = true;
    document->from = pieces->at + 1;
    document->last_end = 0;
    buf_reset(&pieces->opening);
    if (document->object) {
        buf_add_char(&pieces->opening, '{');
        buf_add_str(&pieces->opening, window_part(pieces, document->key_begin, document->key_end));
        buf_add_char(&pieces->opening, ':');
    }
    buf_add_char(&pieces->opening, '[');
}

/* How deep the elements of the list lie. */
static size_t list_depth(const struct document *document)
{
    return document->object ? 2 : 1;
}

enum found { FOUND_NOTHING, FOUND_CUT, FOUND_LIST_END, FOUND_END, FOUND_BROKEN, FOUND_UNKNOWN };

static void begin_document(struct pieces *pieces, char c)
{
    if (pieces->form == FORM_UNKNOWN && pieces->one_ended)
        pieces->form = pieces->line_ended ? FORM_LINES : FORM_OTHER;
    pieces->document = (struct document){
        .begun = true, .begin = pieces->at, .object = c == '{', .line = pieces->line};
}

static enum found open_bracket(struct pieces *pieces, char c)
{
    struct document *document = &pieces->document;
    if (!document->begun)
        begin_document(pieces, c);
    else if (pieces->form == FORM_LINES && pieces->at && pieces->window.p[pieces->at - 1] == '\n')
        return FOUND_BROKEN; /* the next line's document: this one was cut off */
    document->depth++;
    if (c == '[' && document->depth == list_depth(document) && !document->in_list)
        begin_list(pieces);
    return FOUND_NOTHING;
}

static void end_document(struct pieces *pieces)
{
    pieces->one_ended = true;
    if (pieces->document.line != pieces->line && pieces->form == FORM_UNKNOWN)
        pieces->form = FORM_OTHER;
}

static enum found close_bracket(struct pieces *pieces)
{
    struct document *document = &pieces->document;
    document->depth--;
    if (!document->depth)
        end_document(pieces);
    if (document->in_list && document->depth + 1 == list_depth(document)) {
        document->in_list = false;
        if (document->cut)
            return FOUND_LIST_END;
    }
    return document->depth == 0 ? FOUND_END : FOUND_NOTHING;
}

/* Whether this byte of a text ends it. */
static enum found in_text(struct pieces *pieces, char c)
{
    struct document *document = &pieces->document;
    if (c == '\n') {
        pieces->line++;
        if (pieces->form == FORM_LINES)
            return FOUND_BROKEN;
    }
    if (document->escaped) {
        document->escaped = false;
    } else if (c == '\\') {
        document->escaped = true;
    } else if (c == '"') {
        document->in_string = false;
        if (document->object && document->depth == 1) {
            document->key_begin = document->text_begin;
            document->key_end = pieces->at + 1;
        }
    }
    return FOUND_NOTHING;
}

static enum found look_at(struct pieces *pieces, char c)
{
    struct document *document = &pieces->document;
    switch (c) {
    case '"':
        document->in_string = true;
        document->text_begin = pieces->at;
        return FOUND_NOTHING;
    case '{':
    case '[':
        return open_bracket(pieces, c);
    case '}':
    case ']':
        return close_bracket(pieces);
    case ',':
        if (!document->in_list || document->depth != list_depth(document))
            return FOUND_NOTHING;
        document->last_end = pieces->at;
        return pieces->at - document->from >= pieces->piece ? FOUND_CUT : FOUND_NOTHING;
    case '\n':
        pieces->line++;
        return FOUND_NOTHING;
    default:
        return FOUND_NOTHING;
    }
}

static int not_json(const struct pieces *pieces, struct err *err)
{
    unsigned long long at = pieces->passed + pieces->at;
    return err_set(err, ERR_INVALID,
                   "byte %llu is the beginning of nothing that is known; say --as", at);
}

static int found_something(struct pieces *pieces, enum found found, char **bytes, size_t *n,
                           struct err *err)
{
    struct document *document = &pieces->document;
    size_t at = pieces->at;
    int code = 0;
    if (found == FOUND_END) {
        bool whole = !document->cut;
        if (whole)
            code = give(
                pieces,
                (struct str[]){window_part(pieces, document->begin, at + 1), STR_NONE, STR_NONE},
                document->begin, bytes, n, err);
        document->begun = false;
        pieces->keep = ++pieces->at;
        return code;
    }
    code = give_elements(pieces, at, bytes, n, err);
    pieces->keep = ++pieces->at;
    document->from = pieces->at;
    document->begun = document->depth > 0;
    return code;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Outside of documents. */
static enum found between(struct pieces *pieces, char c)
{
    if (c == '\n') {
        pieces->line++;
        pieces->line_ended |= pieces->one_ended;
        pieces->skipping = false;
    }
    if (pieces->skipping || is_blank(c))
        return FOUND_NOTHING;
    if (pieces->form == FORM_UNKNOWN && pieces->line_ended)
        pieces->form = FORM_LINES;
    return pieces->form == FORM_LINES ? FOUND_BROKEN : FOUND_UNKNOWN;
}

/* A line that is no document is a piece without bytes; what was given of it stays given. `c`: what
 * showed it; '\0': the end of the file. */
static int give_broken(struct pieces *pieces, char c, char **bytes, size_t *n, struct err *err)
{
    struct document *document = &pieces->document;
    bool begun = document->begun, next = begun && (c == '{' || c == '[');
    pieces->piece_line = 1 + (begun ? document->line : pieces->line);
    pieces->broken = true;
    pieces->skipping = !begun;
    pieces->at += c && !next;
    pieces->keep = pieces->at;
    *document = (struct document){0};
    return give(pieces, (struct str[]){STR_NONE, STR_NONE, STR_NONE}, pieces->at, bytes, n, err);
}

/* Does the document that ends here stand in a line by itself? Of the first tells what follows. */
static bool is_line(const struct pieces *pieces)
{
    const struct buf *window = &pieces->window;
    struct str behind = str_skip(buf_str(window), pieces->at + 1), line;
    return pieces->form == FORM_LINES ||
           (pieces->form == FORM_UNKNOWN && str_cut(behind, '\n', &line, &behind) &&
            !str_trim(line).len && str_trim(behind).len);
}

/* Most bytes of a file are those of texts, and say nothing. */
static void skip_text(struct pieces *pieces)
{
    const char *at = pieces->window.p + pieces->at, *end = pieces->window.p + pieces->window.len;
    while (at < end && *at != '"' && *at != '\\' && *at != '\n')
        at++;
    pieces->at = (size_t)(at - pieces->window.p);
}

static enum found look(struct pieces *pieces, char c)
{
    const struct document *document = &pieces->document;
    if (document->in_string)
        return in_text(pieces, c);
    if (!document->begun && (pieces->skipping || (c != '{' && c != '[')))
        return between(pieces, c);
    return look_at(pieces, c);
}

static int next_json(struct pieces *pieces, char **bytes, size_t *n, struct err *err)
{
    struct document *document = &pieces->document;
    for (;;) {
        for (; pieces->at < pieces->window.len; pieces->at++) {
            if (document->in_string && !document->escaped)
                skip_text(pieces);
            if (pieces->at == pieces->window.len)
                break;
            char c = pieces->window.p[pieces->at];
            enum found found = look(pieces, c);
            if (found == FOUND_NOTHING)
                continue;
            if (found == FOUND_UNKNOWN)
                return not_json(pieces, err);
            if (found == FOUND_BROKEN)
                return give_broken(pieces, c, bytes, n, err);
            pieces->piece_line = is_line(pieces) ? document->line + 1 : 0;
            if (found_something(pieces, found, bytes, n, err))
                return err->code;
            if (*bytes)
                return 0;
            pieces->at--; /* it stands behind this byte already */
        }
        if (!document->begun)
            pieces->keep = pieces->at;
        if (pieces->ended && document->begun && pieces->form == FORM_LINES)
            return give_broken(pieces, '\0', bytes, n, err);
        if (pieces->ended && document->begun)
            return err_set(err, ERR_INVALID, "the last document ends in the middle");
        if (pieces->ended)
            return 0;
        if (fill(pieces, err))
            return err->code;
    }
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
            return give(pieces, (struct str[]){fields, STR_NONE, STR_NONE}, begin, bytes, n, err);
        }
        if (pieces->ended)
            return 0;
        if (fill(pieces, err))
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
            return give(pieces, (struct str[]){window_part(pieces, begin, to), STR_NONE, STR_NONE},
                        begin, bytes, n, err);
        }
        if (pieces->ended)
            return 0;
        if (fill(pieces, err))
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
            int code =
                is_packed(message)
                    ? unpack(message, bytes, n, err)
                    : give(pieces, (struct str[]){message, STR_NONE, STR_NONE}, 0, bytes, n, err);
            pieces->keep += 4 + size;
            if (code || *n)
                return code;
            free(*bytes); /* an empty message */
            *bytes = NULL;
            continue;
        }
        if (pieces->ended)
            return there ? err_set(err, ERR_INVALID, "the last message ends in the middle") : 0;
        if (fill(pieces, err))
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
        return next_json(pieces, bytes, n, err);
    }
}
