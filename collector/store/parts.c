/* parts.c - see parts.h. */
#include "collector/store/parts.h"

#include "collector/store/dictionary.h"
#include "collector/store/gaps.h"
#include "collector/store/minutes.h"
#include "collector/store/points.h"
#include "collector/store/relations.h"
#include "collector/store/retention.h"
#include "collector/store/store_internal.h"
#include "collector/store/told.h"
#include "collector/store/traces.h"

/* NULL: nothing to do then. */
static const struct part {
    int (*open)(struct store *store);
    void (*close)(struct store *store);
    int (*write)(struct store *store);
    void (*forget)(struct store *store);
} parts[] = {
    {dictionary_open, dictionary_close, dictionary_write_seen, dictionary_forget},
    {minutes_open, minutes_close, minutes_write, minutes_forget},
    {told_open, told_close, told_write, told_forget}, /* hears of minutes that were written */
    {hops_open, hops_close, hops_write, hops_forget},
    {relations_open, relations_close, relations_write, relations_forget},
    {clocks_open, clocks_close, clocks_write, NULL},
    {gaps_open, gaps_close, NULL, gaps_forget},
    {NULL, NULL, plaintext_write, NULL},
    {rollups_open, rollups_close, rollups_write, rollups_forget},
    {metrics_open, metrics_close, metrics_write, metrics_forget},
    {logs_open, logs_close, NULL, logs_forget},
    {traces_open, traces_close, NULL, NULL},
    {trace_minutes_open, trace_minutes_close, trace_minutes_write, trace_minutes_forget},
    {keep_open, keep_close, NULL, NULL},
    {kafka_open, kafka_close, NULL, NULL},
};
#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

int parts_open(struct store *store)
{
    int code = 0;
    for (size_t i = 0; i < N_PARTS && !code; i++)
        code = parts[i].open ? parts[i].open(store) : 0;
    return code;
}

void parts_close(struct store *store)
{
    for (size_t i = 0; i < N_PARTS; i++) {
        if (parts[i].close)
            parts[i].close(store);
    }
}

int parts_write(struct store *store)
{
    int code = 0;
    for (size_t i = 0; i < N_PARTS && !code; i++)
        code = parts[i].write ? parts[i].write(store) : 0;
    return code;
}

void parts_forget(struct store *store)
{
    for (size_t i = 0; i < N_PARTS; i++) {
        if (parts[i].forget)
            parts[i].forget(store);
    }
}
