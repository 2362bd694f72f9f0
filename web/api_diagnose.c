/* api_diagnose.c - GET /api/v1/diagnose: the same answer as the command's, for a window against a
 * baseline. Localising is given by main: the web does not know how it is done.
 */
#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "web/routes.h"

#define WINDOW_NS (5 * NS_PER_MINUTE)
#define DEFAULT_LIMIT 10
#define MAX_LIMIT 1000

/* FROM..TO; whoever answers knows what is normal when it is not given. */
static bool read_baseline(const struct http_request *request, struct diagnosis_request *asked,
                          struct err *err)
{
    struct str text = http_query(request, "baseline"), from, to;
    ptrdiff_t dots = -1;
    uint64_t now_ns = clock_wall_ns();
    if (!text.len)
        return true;
    for (size_t i = 0; i + 1 < text.len && dots < 0; i++)
        dots = text.p[i] == '.' && text.p[i + 1] == '.' ? (ptrdiff_t)i : -1;
    from = (struct str){text.p, dots < 0 ? 0 : (size_t)dots};
    to = dots < 0 ? STR_NONE : str_skip(text, (size_t)dots + 2);
    if (dots >= 0 && time_parse(from, now_ns, &asked->baseline_from_ns) &&
        time_parse(to, now_ns, &asked->baseline_to_ns) &&
        asked->baseline_from_ns < asked->baseline_to_ns)
        return true;
    return !err_set(err, ERR_INVALID, "baseline is FROM..TO, from before to");
}

static bool read_request(const struct http_request *request, uint32_t min_requests,
                         struct diagnosis_request *asked, struct err *err)
{
    struct str level = http_query(request, "level"), limit = http_query(request, "limit");
    struct window window;
    uint64_t number = DEFAULT_LIMIT;
    int word = level.len ? suspect_level_from_word(level) : SUSPECT_SERVICE;
    if (!web_window(request, WINDOW_NS, &window, err))
        return false;
    *asked = (struct diagnosis_request){
        .from_ns = window.from_ns, .to_ns = window.to_ns, .min_requests = min_requests};
    if (word < 0)
        return !err_set(err, ERR_INVALID, "level is service, version, instance or operation");
    if (limit.len && (!str_to_u64(limit, &number) || number < 1 || number > MAX_LIMIT))
        return !err_set(err, ERR_INVALID, "limit is 1 to %d", MAX_LIMIT);
    asked->level = (enum suspect_level)word;
    asked->limit = (uint32_t)number;
    return read_baseline(request, asked, err);
}

void api_diagnose(struct web *web, struct http_request *request)
{
    struct diagnosis_request asked;
    struct err err = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES);
    struct query *query = read_request(request, web->settings.min_requests, &asked, &err)
                              ? web_query_take(web, &err)
                              : NULL;
    if (query)
        web->settings.hooks.diagnose(query, &asked, &out, &err);
    web_answer_asked(web, request, query, &out, &err);
}
