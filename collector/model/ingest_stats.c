/* ingest_stats.c - records by format, transport and outcome. */
#include "collector/model/ingest_stats.h"

static struct stat_family records_family =
    STAT_COUNTER("faultline_ingest_records_total", "Records received, by what became of them.");

static struct stat_family truncated_family = STAT_COUNTER(
    "faultline_ingest_truncated_total", "Values cut and things left out by limit.*, by field.");

static struct stat_family limited_family =
    STAT_COUNTER("faultline_series_limited_total",
                 "Label sets and series that became 'other' because a limit was reached.");

/* Series are made on first use: a table of pointers, filled by whoever comes first. */
static struct stat_series *_Atomic series[N_FORMATS][N_TRANSPORTS][N_INGEST_OUTCOMES];

static const char *const outcome_words[N_INGEST_OUTCOMES] = {"accepted", "duplicate", "rejected"};

void ingest_count(enum format format, enum transport transport, enum ingest_outcome outcome,
                  uint64_t n)
{
    struct stat_series *stat = series[format][transport][outcome];
    if (!stat) {
        stat = stat_get(&records_family, "format", format_word(format), "transport",
                        transport_word(transport), "outcome", outcome_words[outcome], NULL);
        series[format][transport][outcome] = stat;
    }
    if (n)
        stat_add(stat, n);
}

uint64_t ingest_counted(enum ingest_outcome outcome)
{
    uint64_t n = 0;
    for (int format = 0; format < N_FORMATS; format++) {
        for (int transport = 0; transport < N_TRANSPORTS; transport++) {
            const struct stat_series *stat = series[format][transport][outcome];
            n += stat ? stat_value(stat) : 0;
        }
    }
    return n;
}

struct stat_series *ingest_truncated(const char *field)
{
    return stat_get(&truncated_family, "field", field, NULL);
}

struct stat_series *series_limited(const char *family)
{
    return stat_get(&limited_family, "family", family, NULL);
}
