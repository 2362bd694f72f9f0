/* replay_mark.c - the one row that says which replay is under way. */
#include "collector/store/file.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

static int read_mark(struct store *store, struct replay_mark *mark, bool *found)
{
    sqlite3_stmt *select;
    int code = store_prepare(
        store, "SELECT first_seq, received_ns, shift_ns FROM replay_row WHERE files = ?", &select);
    if (code)
        return code;
    sqlite3_bind_int64(select, 1, (int64_t)mark->files);
    code = sqlite3_step(select);
    *found = code == SQLITE_ROW;
    if (*found) {
        mark->first_seq = (uint64_t)sqlite3_column_int64(select, 0);
        mark->received_ns = (uint64_t)sqlite3_column_int64(select, 1);
        mark->shift_ns = sqlite3_column_int64(select, 2);
    }
    sqlite3_finalize(select);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static int write_mark(struct store *store, const struct replay_mark *mark)
{
    sqlite3_stmt *put;
    int code =
        store_prepare(store, "INSERT OR REPLACE INTO replay_row VALUES (1, ?, ?, ?, ?)", &put);
    if (code)
        return code;
    sqlite3_bind_int64(put, 1, (int64_t)mark->files);
    sqlite3_bind_int64(put, 2, (int64_t)mark->first_seq);
    sqlite3_bind_int64(put, 3, (int64_t)mark->received_ns);
    sqlite3_bind_int64(put, 4, mark->shift_ns);
    code = statement_run(put);
    sqlite3_finalize(put);
    return code;
}

static int cannot_write(struct store *store, int code, struct err *err)
{
    return err_set(err, store_file_is_full(store->db, code) ? ERR_BUSY : ERR_IO,
                   "%s: cannot be written: %s", store->settings.path, sqlite3_errmsg(store->db));
}

int store_begin_replay(struct store *store, struct replay_mark *mark, struct err *err)
{
    bool found = false;
    uint64_t needed_from = store_needed_from(store);
    int code = mark->files ? read_mark(store, mark, &found) : 0;
    mark->n_done = found && needed_from > mark->first_seq ? needed_from - mark->first_seq : 0;
    if (!code && !found) {
        mark->first_seq = store_booked_to(store) + 1;
        if (!mark->files)
            return store_end_replay(store, err);
        code = write_mark(store, mark);
    }
    return code ? cannot_write(store, code, err) : 0;
}

int store_end_replay(struct store *store, struct err *err)
{
    int code = sqlite3_exec(store->db, "DELETE FROM replay_row", NULL, NULL, NULL);
    return code ? cannot_write(store, code, err) : 0;
}
