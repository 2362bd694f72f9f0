/* log_record.c - moving a record in time. */
#include "collector/model/log_record.h"

#include "collector/base/buf.h"

#define BEFORE_TIME (sizeof("{\"time\":\"") - 1)

void log_record_move(struct log_record *record, uint64_t at_ns)
{
    struct buf time;
    record->at_ns = at_ns;
    buf_init(&time, 64);
    buf_add_time(&time, at_ns);
    if (!buf_failed(&time) && record->json.len > BEFORE_TIME + time.len)
        memcpy((char *)(uintptr_t)record->json.p + BEFORE_TIME, time.p, time.len);
    buf_fini(&time);
}
