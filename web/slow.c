/* slow.c - the questions that took longest since the start, for /api/v1/status. */
#include <string.h>

#include "collector/base/clock.h"
#include "web/routes.h"

#define MOST_SLOW 8
#define SLOW_FROM_NS (200 * NS_PER_MS)
#define PATH_BYTES 120

struct slow {
    uint64_t at_ns, took_ns;
    char path[PATH_BYTES];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the list, slowest first */
static struct slow list[MOST_SLOW];
static size_t n_slow;

static void insert(struct str path, uint64_t took_ns)
{
    size_t at = n_slow;
    while (at && list[at - 1].took_ns < took_ns)
        at--;
    if (at == MOST_SLOW)
        return;
    n_slow += n_slow < MOST_SLOW;
    memmove(list + at + 1, list + at, (n_slow - at - 1) * sizeof(*list));
    size_t size = path.len < PATH_BYTES - 1 ? path.len : PATH_BYTES - 1;
    list[at] = (struct slow){.at_ns = clock_wall_ns(), .took_ns = took_ns};
    memcpy(list[at].path, path.p, size);
}

void web_note_slow(const struct http_request *request)
{
    struct str path = http_path(request);
    uint64_t took_ns = clock_mono_ns() - http_received_mono_ns(request);
    if (took_ns < SLOW_FROM_NS || !str_starts(path, STR("/api/")))
        return;
    pthread_mutex_lock(&mutex);
    insert(path, took_ns);
    pthread_mutex_unlock(&mutex);
}

void web_slow_json(struct buf *out)
{
    buf_add_c(out, ",\"slow_queries\":[");
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < n_slow; i++) {
        buf_add_c(out, i ? ",{\"at\":\"" : "{\"at\":\"");
        buf_add_time(out, list[i].at_ns);
        buf_add_c(out, "\",\"path\":");
        buf_add_json(out, str_of(list[i].path));
        buf_addf(out, ",\"took_ns\":%llu}", (unsigned long long)list[i].took_ns);
    }
    pthread_mutex_unlock(&mutex);
    buf_add_char(out, ']');
}
