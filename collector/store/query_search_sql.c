/* query_search_sql.c - a search line as SQL on the public views, and as a command: for those who go
 * on by hand. */
#include <math.h>

#include "collector/base/clock.h"
#include "collector/store/query_internal.h"
#include "collector/store/query_search.h"
#include "collector/store/search_text.h"

static void add_text(struct buf *out, struct str text)
{
    buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '\'');
}

/* column op value; != is said by NOT further out. */
static void add_comparison(struct buf *out, const char *column, const struct search_condition *c)
{
    if (c->op == OP_LIKE) {
        buf_addf(out, "instr(lower(%s), lower(", column);
        add_text(out, c->value);
        buf_add_c(out, "))");
    } else if (search_op_orders(c->op)) {
        buf_addf(out, "%s %s ", column, search_op_word(c->op));
        buf_add_double(out, c->number);
    } else {
        buf_addf(out, "%s = ", column);
        add_text(out, c->value);
    }
}

static void add_either(struct buf *out, const char *a, const char *b,
                       const struct search_condition *c)
{
    buf_add_char(out, '(');
    add_comparison(out, a, c);
    buf_add_c(out, " OR ");
    add_comparison(out, b, c);
    buf_add_char(out, ')');
}

static void add_number(struct buf *out, const char *column, const struct search_condition *c)
{
    buf_addf(out, "%s %s ", column, search_op_orders(c->op) ? search_op_word(c->op) : "=");
    buf_add_double(out, c->number);
}

/* The service after the arrow, without version: what trace.origin_service holds. */
static struct str origin_service(struct str value)
{
    static const struct str arrow = STR("\xe2\x86\x92");
    struct str head;
    for (size_t i = 0; i < value.len; i++) {
        bool is_arrow = str_starts(str_skip(value, i), arrow);
        if (is_arrow || value.p[i] == '>')
            return origin_service(str_trim(str_skip(value, i + (is_arrow ? arrow.len : 1))));
    }
    str_cut(value, ' ', &head, &value);
    return head;
}

/* An attribute as a value of SQL, "->>", or as it stands in JSON, "->". */
static const char *attribute(struct buf *out, const char *home, const char *arrow, struct str path)
{
    buf_reset(out);
    buf_addf(out, "%s %s ", home, arrow);
    add_text(out, path);
    buf_add_char(out, '\0');
    return out->p ? out->p : "''";
}

/* Numbers and booleans are themselves in JSON, and no texts: they are compared as they are written,
 * and ordered where they are numbers. */
static void add_attribute(struct buf *out, const struct search_condition *c)
{
    static const char *const homes[2] = {"attributes", "resource"};
    struct buf path, column;
    buf_init(&path, 1u << 16);
    buf_init(&column, 1u << 16);
    buf_add_c(&path, "$.\"");
    buf_add_str(&path, c->key);
    buf_add_char(&path, '"');
    buf_add_char(out, '(');
    for (int i = 0; i < 2; i++) {
        buf_add_c(out, i ? " OR " : "");
        const char *value = attribute(&column, homes[i], "->>", buf_str(&path));
        if (search_op_orders(c->op)) {
            buf_addf(out, "%s GLOB '*[0-9]*' AND %s NOT GLOB '*[^-+.0-9eE]*' AND ", value, value);
            buf_addf(out, "CAST(%s AS REAL) %s ", value, search_op_word(c->op));
            buf_add_double(out, c->number);
            continue;
        }
        add_comparison(out, value, c);
        if (c->op == OP_LIKE)
            continue;
        buf_add_c(out, " OR ");
        add_comparison(out, attribute(&column, homes[i], "->", buf_str(&path)), c);
    }
    buf_add_char(out, ')');
    buf_fini(&path);
    buf_fini(&column);
}

static void add_span_condition(struct buf *out, const struct search_condition *c)
{
    if (c->scope.len && !c->peer.len) {
        buf_add_c(out, "service = ");
        add_text(out, c->scope);
        buf_add_c(out, " AND ");
    }
    switch (c->field) {
    case FIELD_FLAG:
        buf_add_c(out, "instr(',' || response_flags || ',', ");
        struct buf flag;
        buf_init(&flag, 1u << 12);
        buf_addf(&flag, ",%.*s,", STR_ARG(c->value));
        add_text(out, buf_str(&flag));
        buf_add_char(out, ')');
        buf_fini(&flag);
        break;
    case FIELD_CODE:
        buf_add_char(out, '(');
        add_number(out, "http_status", c);
        buf_add_c(out, " OR ");
        add_number(out, "grpc_status", c);
        buf_add_char(out, ')');
        break;
    case FIELD_WORD:
        add_either(out, "operation", "service", c);
        break;
    case FIELD_ATTRIBUTE:
        add_attribute(out, c);
        break;
    case FIELD_SERVICE: /* who sends no spans is told of by those that call it */
        add_either(out, "service", "peer", c);
        break;
    default:
        add_comparison(out, search_field_word(c->field), c);
    }
}

static void add_condition(struct buf *out, const struct search_condition *c)
{
    struct search_condition origin = *c;
    bool no_flag = c->field == FIELD_FLAG && str_eq(c->value, STR("none"));
    if (c->field == FIELD_RETRIES) {
        buf_add_c(out, "1 /* retries stand in edge_minute */");
        return;
    }
    if ((c->op == OP_NOT) != no_flag)
        buf_add_c(out, "NOT ");
    switch (c->field) {
    case FIELD_STATUS:
        buf_add_c(out, c->number != 0 ? "status = 'error'" : "status = 'ok'");
        break;
    case FIELD_TOOK:
        add_number(out, "duration_ns", c);
        break;
    case FIELD_SPANS:
        add_number(out, "span_count", c);
        break;
    case FIELD_SERVICES:
        add_number(out, "service_count", c);
        break;
    case FIELD_COMPLETE:
        add_number(out, "complete", c);
        break;
    case FIELD_ENTRY:
        add_comparison(out, "entry_operation", c);
        break;
    case FIELD_REASON:
        add_comparison(out, "origin_reason", c);
        break;
    case FIELD_BEGAN:
        origin.value = str_eq(c->value, STR("unknown")) ? STR_NONE : origin_service(c->value);
        buf_add_c(out, origin.value.len ? "" : "(status = 'error' AND ");
        add_comparison(out, "origin_service", &origin);
        buf_add_c(out, origin.value.len ? "" : ")");
        break;
    default:
        buf_add_c(out, "trace_id IN (SELECT trace_id FROM span WHERE ");
        if (no_flag)
            buf_add_c(out, "response_flags NOT IN ('', '-')");
        else
            add_span_condition(out, c);
        buf_add_char(out, ')');
    }
}

static void sql_text(const struct search_request *request, const struct search_text *text,
                     struct buf *out)
{
    static const char *const orders[] = {"start_ns DESC", "duration_ns DESC",
                                         "status = 'error' DESC, start_ns DESC"};
    const struct search_box *box = &request->box;
    buf_addf(out, "SELECT * FROM trace\nWHERE start_ns >= %llu\n  AND start_ns < %llu",
             (unsigned long long)request->window.from_ns,
             (unsigned long long)request->window.to_ns);
    for (unsigned c = 0; c < text->n; c++) {
        buf_add_c(out, "\n  AND ");
        add_condition(out, &text->conditions[c]);
    }
    if (box->drawn)
        buf_addf(out,
                 "\n  AND start_ns >= %llu AND start_ns < %llu\n  AND duration_ns BETWEEN %llu AND "
                 "%llu%s",
                 (unsigned long long)box->from_ns, (unsigned long long)box->to_ns,
                 (unsigned long long)box->least_ns, (unsigned long long)box->most_ns,
                 box->failed ? "\n  AND status = 'error'"
                 : box->good ? "\n  AND status = 'ok'"
                             : "");
    buf_addf(out, "\nORDER BY %s\nLIMIT 100;", orders[request->order]);
}

/* An argument for a shell. */
static void add_argument(struct buf *out, struct str text)
{
    buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '\'')
            buf_add_c(out, "'\\'");
        buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '\'');
}

/* The command knows the plain conditions; the others are SQL's. */
static void command_text(const struct search_request *request, const struct search_text *text,
                         struct buf *out)
{
    buf_add_c(out, "faultline traces --from ");
    buf_add_time(out, request->window.from_ns);
    buf_add_c(out, " --to ");
    buf_add_time(out, request->window.to_ns);
    for (unsigned i = 0; i < text->n; i++) {
        const struct search_condition *c = &text->conditions[i];
        if (c->field == FIELD_STATUS && c->op == OP_EQUAL)
            buf_addf(out, " --status %s", c->number != 0 ? "error" : "ok");
        else if (c->field == FIELD_TOOK && (c->op == OP_MORE || c->op == OP_LEAST))
            buf_addf(out, " --min-duration %.*s", STR_ARG(c->value));
        else if ((c->field == FIELD_SERVICE || c->field == FIELD_OPERATION) && c->op == OP_EQUAL) {
            buf_addf(out, " --%s ", search_field_word(c->field));
            add_argument(out, c->value);
        } else if (c->field == FIELD_ATTRIBUTE && c->op == OP_EQUAL) {
            struct buf pair;
            buf_init(&pair, 1u << 16);
            buf_add_str(&pair, c->key);
            buf_add_char(&pair, '=');
            buf_add_str(&pair, c->value);
            buf_add_c(out, " --attr ");
            add_argument(out, buf_str(&pair));
            buf_fini(&pair);
        }
    }
}

int query_search_sql_json(struct query *query, const struct search_request *request,
                          struct buf *out, struct err *err)
{
    struct search_text text;
    struct arena arena;
    struct buf line;
    (void)query;
    arena_init(&arena, 1u << 20);
    buf_init(&line, 1u << 18);
    if (search_text_read(request->q, &arena, &text, err) == 0) {
        sql_text(request, &text, &line);
        buf_add_char(out, '{');
        json_member(out, "sql", buf_str(&line));
        buf_reset(&line);
        command_text(request, &text, &line);
        json_member(out, "command", buf_str(&line));
        buf_add_char(out, '}');
    }
    buf_fini(&line);
    arena_fini(&arena);
    return err->code;
}
