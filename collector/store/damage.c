/* damage.c - see damage.h. */
#include "collector/store/damage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/log.h"

#define LOOK_BYTES ((size_t)4 << 20)
#define WHOLE_BYTES ((off_t)32 << 20) /* a file up to this size is read as a whole: 0.06 s */
#define MARK "-damaged"
#define MAGIC "SQLite format 3" /* with its NUL */
#define MARK_AT 68              /* the application's number in the head */
#define LEAST_PAGE 512

/* ---- is it ours, is it damaged ---- */

/* Does the name of one of our tables stand in it? The schema lies near the file's beginning. */
static bool names_our_tables(const char *path)
{
    static const char name[] = "edge_minute_row";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *bytes = malloc(LOOK_BYTES);
    ssize_t n = fd < 0 || !bytes ? 0 : pread(fd, bytes, LOOK_BYTES, 0);
    bool found = n > 0 && memmem(bytes, (size_t)n, name, sizeof(name) - 1);
    if (fd >= 0)
        close(fd);
    free(bytes);
    return found;
}

/* What is left of its head: our mark; or it is the beginning of a database and shorter than the
 * smallest page of one, so that nobody's data is in it. */
static bool has_our_head(const char *path)
{
    char head[LEAST_PAGE] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof(head));
    if (fd >= 0)
        close(fd);
    size_t magic = n < (ssize_t)sizeof(MAGIC) ? (size_t)(n < 0 ? 0 : n) : sizeof(MAGIC);
    bool begun = n > 0 && n < LEAST_PAGE && memcmp(head, MAGIC, magic) == 0;
    return begun || memcmp(head + MARK_AT, "fLn1", 4) == 0;
}

bool damage_was_ours(const char *path)
{
    char inbox[4200], log[4200];
    struct stat info;
    snprintf(inbox, sizeof(inbox), "%s-inbox", path);
    snprintf(log, sizeof(log), "%s-wal", path);
    return stat(inbox, &info) == 0 || damage_is_marked(path) || has_our_head(path) ||
           names_our_tables(path) || names_our_tables(log);
}

/* One answer of quick_check. What the disk could not read is told as a number in a text. */
static int judge(const char *text)
{
    static const char failed[] = "error code=";
    const char *number = strstr(text, failed);
    int code = number ? atoi(number + sizeof(failed) - 1) & 0xff : SQLITE_CORRUPT;
    return strcmp(text, "ok") == 0                        ? 0
           : code == SQLITE_IOERR || code == SQLITE_NOMEM ? code
                                                          : SQLITE_CORRUPT;
}

int damage_check_whole(sqlite3 *db)
{
    sqlite3_stmt *check = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &check, NULL);
    if (!code && (code = sqlite3_step(check)) == SQLITE_ROW)
        code = judge((const char *)sqlite3_column_text(check, 0));
    sqlite3_finalize(check);
    return code == SQLITE_DONE ? 0 : code;
}

/* Both ends of every table: what a start reads, and where it goes on writing. */
static int check_ends(sqlite3 *db)
{
    sqlite3_stmt *tables = NULL;
    int code = sqlite3_prepare_v2(
        db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", -1,
        &tables, NULL);
    while (!code && (code = sqlite3_step(tables)) == SQLITE_ROW) {
        char *sql = sqlite3_mprintf("SELECT * FROM (SELECT * FROM \"%w\" LIMIT 1); SELECT * FROM "
                                    "\"%w\" ORDER BY 1 DESC LIMIT 1",
                                    sqlite3_column_text(tables, 0), sqlite3_column_text(tables, 0));
        code = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
        sqlite3_free(sql);
    }
    sqlite3_finalize(tables);
    return code == SQLITE_DONE ? 0 : code;
}

int damage_check(sqlite3 *db, const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && info.st_size > WHOLE_BYTES ? check_ends(db)
                                                                : damage_check_whole(db);
}

bool damage_is(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

/* ---- what becomes of it ---- */

void damage_mark(const char *path)
{
    char name[4200];
    snprintf(name, sizeof(name), "%s" MARK, path);
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0)
        close(fd);
}

bool damage_is_marked(const char *path)
{
    char name[4200];
    snprintf(name, sizeof(name), "%s" MARK, path);
    return access(name, F_OK) == 0;
}

void damage_set_aside(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char from[4096], to[4200], stamp[32];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &parts);
    for (int i = 0; i < 3; i++) {
        snprintf(from, sizeof(from), "%s%s", path, suffixes[i]);
        snprintf(to, sizeof(to), "%s.corrupt-%s%s", path, stamp, suffixes[i]);
        rename(from, to);
    }
    snprintf(from, sizeof(from), "%s" MARK, path);
    unlink(from);
    log_event(LOG_ERROR, "database_set_aside", "file=%s.corrupt-%s", path, stamp);
}
