/* api_sql.c - POST /api/v1/sql: anybody's question, read-only and within limits (CONTRACT §7, §10).
 */
#include "collector/base/json.h"
#include "web/routes.h"

#define JSON_TYPE "application/json"
#define TEXT_BYTES ((size_t)8 << 20) /* of the question's text, which a body of 1 MiB may hold */

/* {"sql","params","limit"}: other members are left alone. */
static bool read_question(const struct web *web, struct str body, struct arena *arena,
                          struct sql_question *question, struct err *err)
{
    struct json json;
    struct json_text key, sql = {0};
    struct str number;
    uint64_t limit = web->settings.sql_rows;
    json_init(&json, body);
    json_open_object(&json);
    while (json_next_key(&json, &key)) {
        if (str_eq(key.raw, STR("sql")))
            json_string(&json, &sql);
        else if (str_eq(key.raw, STR("params")))
            json_skip(&json, &question->params);
        else if (!str_eq(key.raw, STR("limit")))
            json_skip(&json, NULL);
        else if (json_number(&json, &number) && (!str_to_u64(number, &limit) || !limit))
            return !err_set(err, ERR_INVALID, "limit is a number of rows, from 1");
    }
    if (!json_end(&json))
        return !err_set(err, ERR_INVALID,
                        "the body is JSON: {\"sql\": text, \"params\": {} or [], \"limit\": rows}");
    question->sql = sql.raw.len ? json_unescape(arena, sql) : STR_NONE;
    if (!question->sql.len)
        return !err_set(err, ERR_INVALID, "sql is empty: there is nothing to ask");
    question->sql = arena_dup(arena, question->sql);
    question->limit = limit < web->settings.sql_rows ? limit : web->settings.sql_rows;
    question->timeout_ns = web->settings.sql_timeout_ns;
    return question->sql.p || !err_set(err, ERR_BUSY, "memory is short; try again");
}

static void answer(struct web *web, struct http_request *request)
{
    struct sql_question question = {0};
    struct arena arena;
    struct err err = {0};
    struct buf out;
    struct query *query = NULL;
    arena_init(&arena, TEXT_BYTES);
    buf_init(&out, ANSWER_BYTES);
    if (read_question(web, http_body(request), &arena, &question, &err))
        query = web_query_take(web, &err);
    if (query)
        query_sql_json(query, &question, &out, &err);
    web_query_give(web, query);
    arena_fini(&arena);
    web_apart_ends(web);
    if (err.code)
        web_answer_error(request, &err);
    else
        web_answer_json(request, &out);
    buf_fini(&out);
}

void api_sql(struct web *web, struct http_request *request)
{
    struct err err;
    struct str type, rest;
    str_cut(http_header(request, "Content-Type"), ';', &type, &rest);
    if (!web->settings.sql)
        err_set(&err, ERR_NOT_FOUND, "SQL on the web is off: web.sql");
    else if (!str_eq_nocase(str_trim(type), STR(JSON_TYPE)))
        err_set(&err, ERR_UNSUPPORTED, "Content-Type is " JSON_TYPE);
    else {
        web_apart(web, request, answer);
        return;
    }
    web_answer_error(request, &err);
}

void api_sql_examples(struct web *web, struct http_request *request)
{
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    query_examples_json(web->settings.sql_timeout_ns, web->settings.sql_rows, &out);
    web_answer_json(request, &out);
    buf_fini(&out);
}
