/* log.c - one write(2) a line, so that lines of several threads never mix. */
#include "collector/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "collector/base/buf.h"
#include "collector/base/clock.h"

#define N_KEPT 32
#define LINE_BYTES 256

static _Atomic int least_level = LOG_INFO;
static _Atomic int line_format = LOG_LOGFMT;

static pthread_mutex_t kept_mutex = PTHREAD_MUTEX_INITIALIZER;
static char kept[N_KEPT][LINE_BYTES]; /* a ring of warnings and errors */
static size_t n_kept;                 /* ever */

static const char *const level_words[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level level, enum log_format format)
{
    least_level = (int)level;
    line_format = (int)format;
}

static void keep(const char *line)
{
    pthread_mutex_lock(&kept_mutex);
    snprintf(kept[n_kept++ % N_KEPT], LINE_BYTES, "%s", line);
    pthread_mutex_unlock(&kept_mutex);
}

size_t log_last_errors(char lines[][256], size_t max)
{
    pthread_mutex_lock(&kept_mutex);
    size_t n = n_kept < N_KEPT ? n_kept : N_KEPT;
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++)
        memcpy(lines[i], kept[(n_kept - 1 - i) % N_KEPT], LINE_BYTES);
    pthread_mutex_unlock(&kept_mutex);
    return n;
}

/* The next `key=value` or `key="value"` of a logfmt text; false at its end. */
static bool next_pair(struct str *rest, struct str *key, struct str *value)
{
    *rest = str_trim(*rest);
    ptrdiff_t equals = str_find(*rest, '=');
    if (equals <= 0)
        return false;
    *key = (struct str){rest->p, (size_t)equals};
    struct str after = str_skip(*rest, (size_t)equals + 1);
    size_t len = 0;
    if (after.len && after.p[0] == '"') {
        for (len = 1; len < after.len && after.p[len] != '"'; len++)
            len += after.p[len] == '\\';
        *value = (struct str){after.p + 1, len < after.len ? len - 1 : after.len - 1};
        len++;
    } else {
        while (len < after.len && after.p[len] != ' ')
            len++;
        *value = (struct str){after.p, len};
    }
    *rest = str_skip(after, len);
    return true;
}

static void add_json_line(struct buf *line, enum log_level level, const char *event,
                          struct str pairs)
{
    struct str key, value;
    buf_addf(line, "{\"ts\":\"");
    buf_add_time(line, clock_wall_ns());
    buf_addf(line, "\",\"level\":\"%s\",\"event\":\"%s\"", level_words[level], event);
    while (next_pair(&pairs, &key, &value)) {
        buf_add_char(line, ',');
        buf_add_json(line, key);
        buf_add_char(line, ':');
        buf_add_json(line, value);
    }
    buf_add_char(line, '}');
}

static void write_line(enum log_level level, const char *event, const char *pairs)
{
    struct buf line;
    buf_init(&line, 8192);
    if (line_format == LOG_JSON) {
        add_json_line(&line, level, event, str_of(pairs));
    } else {
        buf_add_c(&line, "ts=");
        buf_add_time(&line, clock_wall_ns());
        buf_addf(&line, " level=%s event=%s%s%s", level_words[level], event, pairs[0] ? " " : "",
                 pairs);
    }
    buf_add_char(&line, '\n');
    if (!buf_failed(&line) && write(STDERR_FILENO, line.p, line.len) < 0)
        buf_reset(&line); /* nobody reads standard error: nothing to be done about it */
    buf_fini(&line);
}

static void say(enum log_level level, const char *event, const char *pairs)
{
    if (level >= LOG_WARN) {
        char line[LINE_BYTES];
        snprintf(line, sizeof(line), "%.60s %.190s", event, pairs);
        keep(line);
    }
    if ((int)level >= least_level)
        write_line(level, event, pairs);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char pairs[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(pairs, sizeof(pairs), format, args);
    va_end(args);
    say(level, event, pairs);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *event,
                 const char *format, ...)
{
    uint64_t now_ns = clock_mono_ns(), next_ns = atomic_load(&limit->next_ns);
    if (now_ns < next_ns ||
        !atomic_compare_exchange_strong(&limit->next_ns, &next_ns, now_ns + NS_PER_S)) {
        atomic_fetch_add(&limit->held, 1);
        return;
    }
    char pairs[2048];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(pairs, sizeof(pairs) - 40, format, args);
    va_end(args);
    size_t at = n < 0 ? 0 : (size_t)n < sizeof(pairs) - 40 ? (size_t)n : sizeof(pairs) - 41;
    uint64_t held = atomic_exchange(&limit->held, 0);
    if (held)
        snprintf(pairs + at, sizeof(pairs) - at, " folded=%llu", (unsigned long long)held);
    say(level, event, pairs);
}

const char *log_quote(struct str s, char space[256])
{
    size_t at = 0;
    space[at++] = '"';
    for (size_t i = 0; i < s.len && i < 200 && at < 248; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            space[at++] = '\\';
        space[at++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    space[at++] = '"';
    space[at] = '\0';
    return space;
}
