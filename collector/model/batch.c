/* batch.c - a batch's memory and what it refused. */
#include "collector/model/batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const struct limits limits_default = {
    .max_spans = 50000,
    .attributes = 128,
    .attribute_bytes = 4096,
    .name_bytes = 1024,
    .events = 128,
    .links = 128,
    .max_decoded = (size_t)20 << 20,
};

struct batch *batch_new(size_t ceiling)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (batch)
        arena_init(&batch->arena, ceiling);
    return batch;
}

void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    arena_fini(&batch->arena);
    free(batch->bytes);
    free(batch);
}

void batch_reject(struct batch *batch, const char *format, ...)
{
    if (batch->counts.n_rejected++ == 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(batch->first_reason, sizeof(batch->first_reason), format, args);
        va_end(args);
    }
}
