/* api_incidents.c - GET /api/v1/incidents and one of them (CONTRACT §7). */
#include "web/routes.h"

#define DEFAULT_LIMIT 100
#define MAX_LIMIT 1000

static bool read_filter(const struct http_request *request, struct query_filter *filter,
                        struct err *err)
{
    struct str state = http_query(request, "state"), limit = http_query(request, "limit");
    uint64_t number = DEFAULT_LIMIT;
    bool all = !state.len || str_eq(state, STR("all"));
    if (!all && !str_eq(state, STR("open")) && !str_eq(state, STR("closed")))
        return !err_set(err, ERR_INVALID, "state is open, closed or all");
    if (limit.len && (!str_to_u64(limit, &number) || number < 1 || number > MAX_LIMIT))
        return !err_set(err, ERR_INVALID, "limit is 1 to %d", MAX_LIMIT);
    *filter = (struct query_filter){.status = all ? STR_NONE : state,
                                    .cluster = http_query(request, "cluster"),
                                    .namespace = http_query(request, "namespace"),
                                    .limit = (uint32_t)number,
                                    .cursor = http_query(request, "cursor")};
    node_read_text(http_query(request, "service"), &filter->cluster, &filter->namespace,
                   &filter->service);
    return web_any_window(request, &filter->window, err);
}

void api_incidents(struct web *web, struct http_request *request)
{
    struct query_filter filter;
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query = read_filter(request, &filter, &err) ? web_query_take(web, &err) : NULL;
    if (query)
        query_incidents_json(query, &filter, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}

void api_incident(struct web *web, struct http_request *request, struct str id)
{
    struct err err = {0};
    struct buf out;
    uint64_t number;
    struct query *query = NULL;
    buf_init(&out, ANSWER_BYTES);
    if (!str_to_u64(id, &number) || number > INT64_MAX)
        err_set(&err, ERR_NOT_FOUND, "an incident's id is a number");
    else
        query = web_query_take(web, &err);
    if (query)
        query_incident_json(query, number, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}
