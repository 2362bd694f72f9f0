/* incidents.c - incidents on their way into the file. They wait until a commit is through, so that
 * one that is rolled back writes them again.
 */
#include <stdlib.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define WRITTEN_NAP_NS (5 * NS_PER_MS)

/* Runs the statement and ends it; `code` is that of preparing it. */
static int finish(sqlite3_stmt *statement, int code)
{
    code = code ? code : statement_run(statement);
    sqlite3_finalize(statement);
    return code;
}

static int put_incident(struct store *store, const struct incident *incident)
{
    sqlite3_stmt *put;
    int code = store_prepare(store,
                             "INSERT OR REPLACE INTO incident_row VALUES (?, ?, ?, ?, ?, ?, ?, ?, "
                             "?, ?, ?, ?, ?, ?, ?, ?)",
                             &put);
    if (code)
        return code;
    const struct node_text *entry = &incident->entry;
    const struct str texts[] = {entry->cluster,
                                entry->namespace,
                                entry->service,
                                entry->version,
                                entry->role,
                                incident->operation,
                                str_of(symptom_word(incident->symptom))};
    const uint64_t numbers[] = {incident->id, incident->onset_ns, incident->opened_ns,
                                incident->updated_ns};
    for (int i = 0; i < 4; i++)
        sqlite3_bind_int64(put, 1 + i, (int64_t)numbers[i]);
    if (incident->closed_ns)
        sqlite3_bind_int64(put, 5, (int64_t)incident->closed_ns);
    statement_bind_texts(put, 6, texts, 7);
    sqlite3_bind_double(put, 13, incident->failed_share);
    sqlite3_bind_int64(put, 14, incident->affected_calls);
    statement_bind_text(put, 15, incident->summary);
    sqlite3_bind_int64(put, 16, (int64_t)(clock_wall_ns() / NS_PER_S));
    return finish(put, 0);
}

static int put_evidence(struct store *store, uint64_t id, const struct suspect *suspect, unsigned i)
{
    const struct evidence *evidence = &suspect->evidence[i];
    sqlite3_stmt *put;
    int code = store_prepare(
        store, "INSERT INTO evidence_row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &put);
    if (code)
        return code;
    const struct str texts[] = {str_of(evidence_kind_word(evidence->kind)), evidence->metric,
                                str_of(evidence_unit_word(evidence->unit))};
    sqlite3_bind_int64(put, 1, (int64_t)id);
    sqlite3_bind_int64(put, 2, suspect->rank);
    sqlite3_bind_int64(put, 3, i);
    statement_bind_texts(put, 4, texts, 3);
    sqlite3_bind_double(put, 7, evidence->baseline);
    sqlite3_bind_double(put, 8, evidence->observed);
    sqlite3_bind_double(put, 9, evidence->deviation);
    statement_bind_text(put, 10, evidence->text);
    return finish(put, 0);
}

static int pin(struct store *store, uint64_t id, int64_t trace_no)
{
    sqlite3_stmt *put;
    if (!trace_no)
        return 0;
    int code = store_prepare(store, "INSERT OR IGNORE INTO pinned_trace VALUES (?, ?)", &put);
    if (!code) {
        sqlite3_bind_int64(put, 1, trace_no);
        sqlite3_bind_int64(put, 2, (int64_t)id);
    }
    return finish(put, code);
}

static int put_suspect(struct store *store, uint64_t id, const struct suspect *suspect)
{
    struct buf bufs[3]; /* example ids, whole, brief */
    sqlite3_stmt *put;
    int code = store_prepare(store,
                             "INSERT INTO suspect_row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                             "?, ?, ?, ?, ?, ?)",
                             &put);
    if (code)
        return code;
    for (int i = 0; i < 3; i++)
        buf_init(&bufs[i], 1u << 20);
    for (unsigned i = 0; i < suspect->n_examples; i++)
        buf_addf(&bufs[0], "%s\"%s\"", i ? "," : "[", suspect->examples[i]);
    buf_add_c(&bufs[0], suspect->n_examples ? "]" : "[]");
    suspect_json(suspect, true, &bufs[1]);
    suspect_json(suspect, false, &bufs[2]);
    const struct node_text *node = &suspect->node;
    const struct str texts[] = {str_of(suspect_level_word(suspect->level)),
                                node->cluster,
                                node->namespace,
                                node->service,
                                node->version,
                                node->role,
                                suspect->instance,
                                suspect->operation,
                                suspect->has_peer ? suspect->peer.service : STR_NONE};
    const struct str more[] = {suspect->reason, buf_str(&bufs[0]), buf_str(&bufs[1]),
                               buf_str(&bufs[2])};
    sqlite3_bind_int64(put, 1, (int64_t)id);
    sqlite3_bind_int64(put, 2, suspect->rank);
    statement_bind_texts(put, 3, texts, 9);
    sqlite3_bind_double(put, 12, suspect->score);
    sqlite3_bind_double(put, 13, suspect->confidence);
    sqlite3_bind_int64(put, 14, suspect->significant);
    statement_bind_texts(put, 15, more, 4);
    code = finish(put, 0);
    for (int i = 0; i < 3; i++)
        buf_fini(&bufs[i]);
    for (unsigned i = 0; i < suspect->n_evidence && !code; i++)
        code = put_evidence(store, id, suspect, i);
    for (unsigned i = 0; i <= N_SUSPECT_EXAMPLES && !code; i++)
        code = pin(store, id, suspect->trace_nos[i]);
    return code;
}

static int write_one(struct store *store, const struct incident *incident)
{
    static const char *const drops[] = {"DELETE FROM suspect_row WHERE incident_id = ?",
                                        "DELETE FROM evidence_row WHERE incident_id = ?",
                                        "DELETE FROM pinned_trace WHERE incident_id = ?"};
    int code = put_incident(store, incident);
    for (int i = 0; i < 3 && incident->n_suspects && !code; i++)
        code = store_run(store, drops[i], (int64_t)incident->id, 0);
    for (uint32_t i = 0; i < incident->n_suspects && !code; i++)
        code = put_suspect(store, incident->id, &incident->suspects[i]);
    return code;
}

void store_put_incident(struct store *store, struct incident *incident)
{
    pthread_mutex_lock(&store->incidents_mutex);
    struct incident **at = &store->incidents;
    while (*at)
        at = &(*at)->next;
    *at = incident;
    pthread_mutex_unlock(&store->incidents_mutex);
}

static struct incident *first_waiting(struct store *store)
{
    pthread_mutex_lock(&store->incidents_mutex);
    struct incident *first = store->incidents;
    pthread_mutex_unlock(&store->incidents_mutex);
    return first;
}

bool incidents_wait(struct store *store)
{
    return first_waiting(store) != NULL;
}

bool store_wait_incidents(struct store *store, uint64_t deadline_ns)
{
    static const struct timespec nap = {.tv_nsec = WRITTEN_NAP_NS};
    while (incidents_wait(store)) {
        if (clock_wall_ns() > deadline_ns)
            return false;
        nanosleep(&nap, NULL);
    }
    return true;
}

/* Only the writer takes from the list, so what it saw stays. */
int incidents_write(struct store *store, unsigned *n_written)
{
    int code = 0;
    *n_written = 0;
    for (struct incident *at = first_waiting(store); at && !code; ++*n_written) {
        code = write_one(store, at);
        pthread_mutex_lock(&store->incidents_mutex);
        at = at->next;
        pthread_mutex_unlock(&store->incidents_mutex);
    }
    return code;
}

void incidents_forget(struct store *store, unsigned n)
{
    while (n--) {
        pthread_mutex_lock(&store->incidents_mutex);
        struct incident *first = store->incidents;
        store->incidents = first->next;
        pthread_mutex_unlock(&store->incidents_mutex);
        incident_free(first);
    }
}
