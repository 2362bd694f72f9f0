/* copy.c - new files beside a database that is written: their room, their name, and the whole copy.
 */
#include "collector/store/copy_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "collector/base/buf.h"
#include "collector/store/file.h"
#include "collector/store/statements.h"

#define STEP_PAGES 512  /* 4 MiB, then it is asked whether to go on */
#define WATCH_OPS 50000 /* instructions of SQLite, likewise */

/* ---- room ---- */

static uint64_t free_bytes(const char *path)
{
    struct statvfs disk;
    char folder[4200];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    if (statvfs(slash ? folder : ".", &disk) != 0)
        return UINT64_MAX; /* writing will tell */
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

static int too_little_room(const struct copy *copy, struct err *err)
{
    const struct copy_settings *settings = copy->settings;
    return err_set(err, ERR_BUSY,
                   "%s: the disk is short: %llu MiB are free, of which store.min_free leaves %llu "
                   "MiB alone; make room, or choose another disk",
                   settings->to, (unsigned long long)(free_bytes(copy->file.partial) >> 20),
                   (unsigned long long)(settings->min_free >> 20));
}

int copy_failed(const struct copy *copy, int code, struct err *err)
{
    if (code == SQLITE_FULL)
        return too_little_room(copy, err);
    if (code == SQLITE_INTERRUPT)
        return err_set(err, ERR_BUSY, "%s was given up before it was whole", copy->settings->to);
    return err_set(err, ERR_IO, "%s: %s", copy->settings->to,
                   copy->db ? sqlite3_errmsg(copy->db) : sqlite3_errstr(code));
}

/* The file ends where the room does: SQLite then says that it is full. */
static int bound_size(struct copy *copy)
{
    char pragma[64];
    uint64_t left = free_bytes(copy->file.partial), keep = copy->settings->min_free;
    uint64_t pages = (left > keep ? left - keep : 0) / 8192;
    snprintf(pragma, sizeof(pragma), "PRAGMA max_page_count = %llu",
             (unsigned long long)(pages > 4294967294u ? 4294967294u
                                  : pages             ? pages
                                                      : 1));
    return sqlite3_exec(copy->db, pragma, NULL, NULL, NULL);
}

/* ---- the file ---- */

static int is_over(void *ctx)
{
    const struct copy_settings *settings = ctx;
    return settings->go_on && !settings->go_on(settings->ctx);
}

/* Ours, and of this program's version? */
static int open_source(struct copy *copy, struct err *err)
{
    const char *from = copy->settings->from;
    struct err older = {0};
    if (query_open(from, &copy->source, err))
        return err->code;
    if (query_is_older(copy->source, &older))
        return err_set(err, ERR_IO, "%s: %s", from, older.text);
    sqlite3_progress_handler(copy->source->db, WATCH_OPS, is_over, (void *)copy->settings);
    return 0;
}

int copy_begin(struct copy *copy, const struct copy_settings *settings, struct err *err)
{
    *copy = (struct copy){.settings = settings};
    if (open_source(copy, err))
        return err->code;
    if (new_file_begin(&copy->file, settings->to, err))
        return err->code;
    int code = sqlite3_open_v2(copy->file.partial, &copy->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
    /* No journal: a file that is not whole goes. */
    code = code ? code
                : sqlite3_exec(copy->db,
                               "PRAGMA page_size = 8192; PRAGMA journal_mode = OFF; PRAGMA "
                               "synchronous = OFF; PRAGMA cache_size = -16384; PRAGMA temp_store = "
                               "FILE; PRAGMA legacy_alter_table = ON",
                               NULL, NULL, NULL);
    code = code ? code : bound_size(copy);
    sqlite3_progress_handler(copy->db, WATCH_OPS, is_over, (void *)settings);
    return code ? copy_failed(copy, code, err) : 0;
}

int copy_end(struct copy *copy, struct err *err)
{
    query_close(copy->source);
    sqlite3_close(copy->db);
    return new_file_end(&copy->file, err);
}

/* ---- backup ---- */

/* Of one snapshot: what is written while it is read is not in it. */
static int copy_pages(struct copy *copy)
{
    const struct copy_settings *settings = copy->settings;
    int code = sqlite3_exec(copy->source->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL,
                            NULL, NULL);
    sqlite3_backup *backup =
        code ? NULL : sqlite3_backup_init(copy->db, "main", copy->source->db, "main");
    if (!backup)
        return code ? code : sqlite3_errcode(copy->db);
    do {
        code =
            is_over((void *)settings) ? SQLITE_INTERRUPT : sqlite3_backup_step(backup, STEP_PAGES);
    } while (code == SQLITE_OK);
    int end = sqlite3_backup_finish(backup);
    return code == SQLITE_DONE ? end : code;
}

/* The copy says of itself that it has a log, as its source has: without one it opens anywhere, also
 * where nothing can be written. */
static int leave_log(struct copy *copy)
{
    sqlite3_close(copy->db);
    copy->db = NULL;
    int code = sqlite3_open_v2(copy->file.partial, &copy->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    return code ? code
                : sqlite3_exec(copy->db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = DELETE",
                               NULL, NULL, NULL);
}

static bool has_room(const struct copy *copy)
{
    struct stat info;
    uint64_t left = free_bytes(copy->file.partial), keep = copy->settings->min_free;
    return stat(copy->settings->from, &info) != 0 || left >= keep + (uint64_t)info.st_size;
}

int store_backup(const struct copy_settings *settings, struct err *err)
{
    struct copy copy;
    if (copy_begin(&copy, settings, err) == 0) {
        int code = !has_room(&copy) ? SQLITE_FULL : copy_pages(&copy);
        code = code ? code : leave_log(&copy);
        if (code)
            copy_failed(&copy, code, err);
    }
    return copy_end(&copy, err);
}
