/* knowledge.c - what was learnt across traces, who is at which address and whom a proxy serves:
 * written with the turn that tells it, read at a start.
 */
#include "collector/store/relations.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define KEEP_MINUTES (30 * 24 * 60)

static int write_addresses(struct store *store, const struct turn *turn)
{
    sqlite3_stmt *put;
    uint32_t newest = 0;
    if (!turn->n_known)
        return 0;
    int code =
        store_prepare(store, "INSERT OR REPLACE INTO address VALUES (?1,?2,?3,?4,?5,?6)", &put);
    for (uint32_t i = 0; i < turn->n_known && !code; i++) {
        const struct known_address *known = &turn->known[i];
        const struct str texts[5] = {known->address, known->service, known->cluster,
                                     known->namespace, known->version};
        statement_bind_texts(put, 1, texts, 5);
        sqlite3_bind_int64(put, 6, known->seen_minute);
        newest = known->seen_minute > newest ? known->seen_minute : newest;
        code = statement_run(put);
    }
    sqlite3_finalize(put);
    return code ? code
                : store_run(store, "DELETE FROM address WHERE seen_minute < ?1",
                            (int64_t)newest - KEEP_MINUTES, 0);
}

static int write_proxies(struct store *store, const struct turn *turn)
{
    sqlite3_stmt *put;
    uint32_t newest = 0;
    if (!turn->n_known_proxies)
        return 0;
    int code = store_prepare(store,
                             "INSERT OR REPLACE INTO proxy (service, namespace, cluster, other, "
                             "itself_minute, others_minute) VALUES (?1,?2,?3,?4,?5,?6)",
                             &put);
    for (uint32_t i = 0; i < turn->n_known_proxies && !code; i++) {
        const struct known_proxy *known = &turn->known_proxies[i];
        const struct str texts[4] = {known->service, known->namespace, known->cluster,
                                     known->other};
        statement_bind_texts(put, 1, texts, 4);
        sqlite3_bind_int64(put, 5, known->itself_minute);
        sqlite3_bind_int64(put, 6, known->others_minute);
        newest = known->itself_minute > newest ? known->itself_minute : newest;
        newest = known->others_minute > newest ? known->others_minute : newest;
        code = statement_run(put);
    }
    sqlite3_finalize(put);
    return code ? code
                : store_run(store, "DELETE FROM proxy WHERE max(itself_minute, others_minute) < ?1",
                            (int64_t)newest - KEEP_MINUTES, 0);
}

int knowledge_write(struct store *store, const struct turn *turn)
{
    int code = write_addresses(store, turn);
    return code ? code : write_proxies(store, turn);
}

static struct str text_of(sqlite3_stmt *row, int column)
{
    return (struct str){(const char *)sqlite3_column_text(row, column),
                        (size_t)sqlite3_column_bytes(row, column)};
}

static int read_addresses(struct store *store, const struct store_learner *learner)
{
    sqlite3_stmt *select;
    int code = store_prepare(store,
                             "SELECT address, cluster, namespace, service, version, seen_minute "
                             "FROM address ORDER BY seen_minute DESC",
                             &select);
    while (!code && (code = sqlite3_step(select)) == SQLITE_ROW) {
        struct known_address known = {
            text_of(select, 0), text_of(select, 1), text_of(select, 2),
            text_of(select, 3), text_of(select, 4), (uint32_t)sqlite3_column_int64(select, 5)};
        code = learner->address(learner->ctx, &known) ? 0 : SQLITE_DONE;
    }
    sqlite3_finalize(select);
    return code;
}

static int read_proxies(struct store *store, const struct store_learner *learner)
{
    sqlite3_stmt *select;
    int code = store_prepare(store,
                             "SELECT cluster, namespace, service, other, itself_minute, "
                             "others_minute FROM proxy",
                             &select);
    while (!code && (code = sqlite3_step(select)) == SQLITE_ROW) {
        struct known_proxy known = {text_of(select, 0),
                                    text_of(select, 1),
                                    text_of(select, 2),
                                    text_of(select, 3),
                                    (uint32_t)sqlite3_column_int64(select, 4),
                                    (uint32_t)sqlite3_column_int64(select, 5)};
        code = learner->proxy(learner->ctx, &known) ? 0 : SQLITE_DONE;
    }
    sqlite3_finalize(select);
    return code;
}

int store_learn(struct store *store, const struct store_learner *learner, struct err *err)
{
    int code = read_addresses(store, learner);
    code = code == SQLITE_DONE ? read_proxies(store, learner) : code;
    if (code != SQLITE_DONE)
        return err_set(err, ERR_IO, "%s: what was learnt cannot be read: %s", store->settings.path,
                       sqlite3_errstr(code));
    return 0;
}
