/* addresses.c - who was learnt to be at which address: written with the turn that tells it, read at
 * a start.
 */
#include "collector/store/store_internal.h"

#define KEEP_MINUTES (30 * 24 * 60)

int addresses_write(struct store *store, const struct turn *turn)
{
    sqlite3_stmt *put, *drop;
    uint32_t newest = 0;
    if (!turn->n_known)
        return 0;
    int code =
        store_prepare(store, "INSERT OR REPLACE INTO address VALUES (?1,?2,?3,?4,?5,?6)", &put);
    for (uint32_t i = 0; i < turn->n_known && !code; i++) {
        const struct known_address *known = &turn->known[i];
        const struct str texts[5] = {known->address, known->service, known->cluster,
                                     known->namespace, known->version};
        for (int k = 0; k < 5; k++)
            sqlite3_bind_text(put, k + 1, texts[k].len ? texts[k].p : "", (int)texts[k].len,
                              SQLITE_STATIC);
        sqlite3_bind_int64(put, 6, known->seen_minute);
        newest = known->seen_minute > newest ? known->seen_minute : newest;
        code = statement_run(put);
    }
    sqlite3_finalize(put);
    if (code || store_prepare(store, "DELETE FROM address WHERE seen_minute < ?", &drop))
        return code;
    sqlite3_bind_int64(drop, 1, (int64_t)newest - KEEP_MINUTES);
    code = statement_run(drop);
    sqlite3_finalize(drop);
    return code;
}

static struct str text_of(sqlite3_stmt *row, int column)
{
    return (struct str){(const char *)sqlite3_column_text(row, column),
                        (size_t)sqlite3_column_bytes(row, column)};
}

int store_addresses(struct store *store, store_address_f *tell, void *ctx, struct err *err)
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
        code = tell(ctx, &known) ? 0 : SQLITE_DONE;
    }
    sqlite3_finalize(select);
    if (code && code != SQLITE_DONE)
        return err_set(err, ERR_IO, "%s: known addresses cannot be read: %s", store->settings.path,
                       sqlite3_errstr(code));
    return 0;
}
