/* api_compare.c - GET /api/v1/compare: the same answer as the command's. How versions are compared
 * is given by main.
 */
#include "collector/base/clock.h"
#include "web/routes.h"

#define WINDOW_NS (30 * NS_PER_MINUTE)

static bool read_request(const struct http_request *request, uint32_t min_calls,
                         struct comparison_request *asked, struct err *err)
{
    struct str service = http_query(request, "service"), space = http_query(request, "namespace"),
               cluster = http_query(request, "cluster");
    struct window window;
    if (!web_window(request, WINDOW_NS, &window, err))
        return false;
    *asked = (struct comparison_request){.baseline = http_query(request, "baseline"),
                                         .candidate = http_query(request, "candidate"),
                                         .from_ns = window.from_ns,
                                         .to_ns = window.to_ns,
                                         .min_calls = min_calls};
    if (!service.len)
        return !err_set(err, ERR_INVALID, "service is missing: whose versions?");
    node_read_text(service, &asked->cluster, &asked->namespace, &asked->service);
    asked->namespace = space.len ? space : asked->namespace;
    asked->cluster = cluster.len ? cluster : asked->cluster;
    return true;
}

void api_compare(struct web *web, struct http_request *request)
{
    struct comparison_request asked;
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query = read_request(request, web->settings.min_requests, &asked, &err)
                              ? web_query_take(web, &err)
                              : NULL;
    if (query)
        web->settings.hooks.compare(query, &asked, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}
