/* kafka_positions.c - the next message of each partition, committed with what the messages before
 * it brought: after a crash a message is neither missed nor counted twice.
 */
#include <stdlib.h>

#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

static struct kafka_place *find(struct kafka_positions *known, uint64_t topic, int32_t partition)
{
    for (uint32_t i = 0; i < known->n; i++) {
        if (known->items[i].topic == topic && known->items[i].partition == partition)
            return &known->items[i];
    }
    return NULL;
}

/* Under the mutex. */
static int note(struct kafka_positions *known, const struct kafka_place *next)
{
    struct kafka_place *place = find(known, next->topic, next->partition);
    if (place) {
        place->offset = next->offset;
        return 0;
    }
    struct kafka_place *grown = realloc(known->items, (known->n + 1) * sizeof(*grown));
    if (!grown)
        return SQLITE_NOMEM;
    known->items = grown;
    known->items[known->n++] = *next;
    return 0;
}

int kafka_open(struct store *store)
{
    struct kafka_positions *known = &store->kafka;
    sqlite3_stmt *select;
    pthread_mutex_init(&known->mutex, NULL);
    int code =
        store_prepare(store, "SELECT topic, partition, next_offset FROM kafka_position", &select);
    while (!code && (code = sqlite3_step(select)) == SQLITE_ROW) {
        struct kafka_place next = {.topic = (uint64_t)sqlite3_column_int64(select, 0),
                                   .partition = sqlite3_column_int(select, 1),
                                   .offset = sqlite3_column_int64(select, 2)};
        code = note(known, &next);
    }
    sqlite3_finalize(select);
    code = code == SQLITE_DONE ? 0 : code;
    return code ? code
                : store_prepare(store, "INSERT OR REPLACE INTO kafka_position VALUES (?, ?, ?)",
                                &known->put);
}

void kafka_close(struct store *store)
{
    sqlite3_finalize(store->kafka.put);
    free(store->kafka.items);
    pthread_mutex_destroy(&store->kafka.mutex);
}

int kafka_add(struct store *store, const struct turn *turn)
{
    sqlite3_stmt *put = store->kafka.put;
    int code = 0;
    for (uint32_t i = 0; i < turn->n_places && !code; i++) {
        sqlite3_bind_int64(put, 1, (int64_t)turn->places[i].topic);
        sqlite3_bind_int(put, 2, turn->places[i].partition);
        sqlite3_bind_int64(put, 3, turn->places[i].offset + 1);
        code = statement_run(put);
    }
    return code;
}

void kafka_committed(struct store *store, const struct turn *turn)
{
    struct kafka_positions *known = &store->kafka;
    pthread_mutex_lock(&known->mutex);
    for (uint32_t i = 0; i < turn->n_places; i++) {
        struct kafka_place next = turn->places[i];
        next.offset++;
        note(known, &next); /* memory short: the receiver knows it too */
    }
    pthread_mutex_unlock(&known->mutex);
}

int64_t store_kafka_next(struct store *store, uint64_t topic, int32_t partition)
{
    pthread_mutex_lock(&store->kafka.mutex);
    const struct kafka_place *place = find(&store->kafka, topic, partition);
    int64_t next = place ? place->offset : -1;
    pthread_mutex_unlock(&store->kafka.mutex);
    return next;
}
