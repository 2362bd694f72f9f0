/* replay_pieces_json.c - documents of JSON one by one: a large one is cut between the elements of
 * its list; where each stands in a line, a line that is none is told.
 */
#include <string.h>

#include "collector/base/json.h"
#include "collector/command/replay_pieces_internal.h"

/* ---- the first line ---- */

#define LOOK_BYTES ((size_t)16 << 20) /* of the file's begin, in search of the end of its lines */

/* The next line from *at on that is not blank; '' where the file ends, a part where its end is too
 * far. Nothing was given yet, so offsets stay what they are while the window grows. */
static int next_line(struct pieces *pieces, size_t *at, struct str *line, struct err *err)
{
    size_t from = *at;
    for (;;) {
        struct str rest = window_part(pieces, *at, pieces->window.len);
        const char *end = memchr(pieces->window.p + from, '\n', pieces->window.len - from);
        if (end)
            rest.len = (size_t)(end - rest.p);
        *line = str_trim(rest);
        from = *at + rest.len + (end != NULL);
        bool whole = end || pieces->ended || pieces->window.len >= LOOK_BYTES;
        if (whole)
            *at = from;
        if (whole && (!end || line->len))
            return 0;
        if (!whole && pieces_fill(pieces, err))
            return err->code;
    }
}

/* One whole document, or several. */
static bool is_whole(struct str line)
{
    struct json json;
    while (line.len && (line.p[0] == '{' || line.p[0] == '[')) {
        json_init(&json, line);
        if (!json_skip(&json, NULL))
            return false;
        line = str_trim(str_skip(line, (size_t)(json.at - line.p)));
    }
    return !line.len;
}

/* A rotated file may begin in the middle of a document: then the first line is none, and the second
 * one is by itself. Within one document that has several lines, none of them is a whole value
 * without a comma or a bracket in front of the next. */
int pieces_look_at_first_line(struct pieces *pieces, struct err *err)
{
    static const struct str goes_on = {",]}", 3};
    size_t at = pieces->at;
    struct str line;
    if (next_line(pieces, &at, &line, err))
        return err->code;
    if (is_whole(line))
        return 0;
    if (next_line(pieces, &at, &line, err))
        return err->code;
    if (!line.len || !is_whole(line))
        return 0;
    if (next_line(pieces, &at, &line, err))
        return err->code;
    pieces->first_is_cut = !line.len || !memchr(goes_on.p, line.p[0], goes_on.len);
    if (pieces->first_is_cut)
        pieces->form = FORM_LINES;
    return 0;
}

/* ---- pieces ---- */

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
    if (pieces_give(pieces, (struct str[]){opening, window_part(pieces, from, to), closing}, from,
                    bytes, n, err))
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
            code = pieces_give(
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
    pieces->first_is_cut = false;
    pieces->at += c && !next;
    pieces->keep = pieces->at;
    *document = (struct document){0};
    return pieces_give(pieces, (struct str[]){STR_NONE, STR_NONE, STR_NONE}, pieces->at, bytes, n,
                       err);
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
    bool opens = c == '{' || c == '[';
    if (!document->begun && (pieces->skipping || pieces->first_is_cut || !opens))
        return between(pieces, c);
    return look_at(pieces, c);
}

int pieces_next_json(struct pieces *pieces, char **bytes, size_t *n, struct err *err)
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
        if (pieces_fill(pieces, err))
            return err->code;
    }
}
