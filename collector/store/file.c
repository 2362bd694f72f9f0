/* file.c - opening the database: whose it is, what version it has, and what to do when it is
 * damaged. */
#include "collector/store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/model/words.h"
#include "collector/store/copy.h"
#include "collector/store/damage.h"
#include "collector/store/statements.h"
#include "schema_sql.h"

#define APPLICATION_ID 0x664c6e31
#define N_MIGRATIONS ((int)(sizeof(schema_migrations) / sizeof(schema_migrations[0])))

static int take_lock(const char *path, int *lock_fd, struct err *err)
{
    char name[4096];
    snprintf(name, sizeof(name), "%s-lock", path);
    *lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (*lock_fd < 0)
        return err_set(err, ERR_IO, "%s: cannot be opened: %s", name, strerror(errno));
    if (flock(*lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(*lock_fd);
    *lock_fd = -1;
    return err_set(err, ERR_IO, "%s is in use by another faultline", path);
}

void store_file_note(int lock_fd, const struct store_web *web)
{
    char text[sizeof(*web) + 2];
    int n = snprintf(text, sizeof(text), "%s\n%s\n", web->url, web->at);
    if (ftruncate(lock_fd, 0) != 0 || pwrite(lock_fd, text, (size_t)n, 0) != n)
        log_event(LOG_WARN, "lock_not_written", "reason=\"%s\"", strerror(errno));
}

bool store_is_running(const char *path, struct store_web *web)
{
    char name[4096], text[sizeof(*web) + 2];
    struct str url, at;
    snprintf(name, sizeof(name), "%s-lock", path);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    bool running = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    ssize_t n = running ? pread(fd, text, sizeof(text), 0) : 0;
    str_cut((struct str){text, n > 0 ? (size_t)n : 0}, '\n', &url, &at);
    at = str_trim(at);
    snprintf(web->url, sizeof(web->url), "%.*s", STR_ARG(url));
    snprintf(web->at, sizeof(web->at), "%.*s", STR_ARG(at));
    if (fd >= 0)
        close(fd);
    return running;
}

void store_file_unlock(const char *path, int lock_fd)
{
    char name[4096];
    snprintf(name, sizeof(name), "%s-lock", path);
    unlink(name);
    close(lock_fd);
}

static int read_number(sqlite3 *db, const char *sql, int64_t *number)
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &select, NULL);
    if (!code) {
        code = sqlite3_step(select);
        *number = code == SQLITE_ROW ? sqlite3_column_int64(select, 0) : 0;
        code = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
    }
    sqlite3_finalize(select);
    return code;
}

enum look { LOOK_NEW, LOOK_OURS, LOOK_DAMAGED, LOOK_REFUSED };

/* Who reads the file while it is opened, a shell say, holds it for a moment. */
#define OPEN_WAIT_MS 5000

#define LOOK_AGAIN 3
#define LOOK_AGAIN_NS (50 * NS_PER_MS)

struct marks {
    int64_t id, version, n_tables, n_export;
    bool full; /* the disk has no room for looking */
};

/* SQLite says "full" of a write only: of a log's index that cannot grow it says what the system
 * said. */
bool store_file_is_full(sqlite3 *db, int code)
{
    int error = sqlite3_system_errno(db);
    bool io = (code & 0xff) == SQLITE_IOERR;
    return (code & 0xff) == SQLITE_FULL || (io && (error == ENOSPC || error == EDQUOT));
}

/* What a file says of itself; an SQLite code. */
static int read_marks(const char *path, struct marks *marks)
{
    sqlite3 *db = NULL;
    int64_t position = 0;
    *marks = (struct marks){0};
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (!code)
        sqlite3_busy_timeout(db, OPEN_WAIT_MS);
    code = code ? code : read_number(db, "PRAGMA application_id", &marks->id);
    code = code ? code : read_number(db, "PRAGMA user_version", &marks->version);
    code = code ? code : read_number(db, "SELECT count(*) FROM sqlite_schema", &marks->n_tables);
    code =
        code ? code
             : read_number(db, "SELECT count(*) FROM sqlite_schema WHERE name = '" EXPORT_MARK "'",
                           &marks->n_export);
    /* What a newer program has in its file, this one does not know. */
    bool known = marks->version > 0 && marks->version <= N_MIGRATIONS;
    if (!code && marks->id == APPLICATION_ID && known)
        code = read_number(db, "SELECT booked_to FROM position", &position);
    if (!code && marks->id == APPLICATION_ID && known)
        code = damage_check(db, path);
    marks->full = store_file_is_full(db, code);
    sqlite3_close(db);
    return code;
}

/* Looks at an existing file without changing it. */
static enum look look_at(const char *path, struct err *err)
{
    struct stat info;
    struct marks marks;
    if (stat(path, &info) != 0 || info.st_size == 0)
        return LOOK_NEW;
    int code = read_marks(path, &marks);
    /* A disk that cannot be read for a moment looks damaged to SQLite: nothing is set aside for
     * that. */
    for (int i = 0; i < LOOK_AGAIN && (code == SQLITE_CORRUPT || code == SQLITE_NOTADB); i++) {
        nanosleep(&(struct timespec){.tv_nsec = (long)LOOK_AGAIN_NS}, NULL);
        code = read_marks(path, &marks);
    }
    int64_t id = marks.id, version = marks.version, n_tables = marks.n_tables;
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB || damage_is_marked(path) ||
        (code == SQLITE_ERROR && id == APPLICATION_ID))
        return LOOK_DAMAGED;
    if (code) {
        err_set(err, marks.full ? ERR_BUSY : ERR_IO, "%s: cannot be opened: %s", path,
                sqlite3_errstr(code));
        return LOOK_REFUSED;
    }
    if (id != APPLICATION_ID && (n_tables > 0 || id)) {
        err_set(err, ERR_IO, "%s is a database of another program; choose another store.path",
                path);
        return LOOK_REFUSED;
    }
    if (marks.n_export) {
        err_set(err, ERR_IO,
                "%s was made by 'faultline export': it can be asked, and nothing is added to it; "
                "choose another store.path",
                path);
        return LOOK_REFUSED;
    }
    if (version > N_MIGRATIONS) {
        err_set(err, ERR_IO,
                "%s has schema version %lld, this program knows %d; use a newer faultline", path,
                (long long)version, N_MIGRATIONS);
        return LOOK_REFUSED;
    }
    return LOOK_OURS;
}

static int add_words(sqlite3 *db)
{
    static const struct {
        const char *list;
        const char *(*word)(unsigned);
        unsigned n;
    } lists[] = {
        {"kind", kind_word, N_KINDS},
        {"fault", fault_word, N_FAULTS},
        {"role", role_word, N_ROLES},
        {"connection_type", connection_type_word, N_CONNECTION_TYPES},
        {"known_by", known_by_word, N_KNOWN_BY + KNOWN_BY_SERIES},
        {"crossing", crossing_word, N_CROSSINGS},
        {"format", format_word, N_FORMATS},
        {"transport", transport_word, N_TRANSPORTS},
        {"hop", hop_word, N_HOPS},
        {"edge_event", edge_event_word, N_EDGE_EVENTS},
    };
    sqlite3_stmt *put;
    int code =
        sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO word VALUES (?, ?, ?)", -1, &put, NULL);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && !code; i++) {
        for (unsigned k = 0; k < lists[i].n && !code; k++) {
            sqlite3_bind_text(put, 1, lists[i].list, -1, SQLITE_STATIC);
            sqlite3_bind_int64(put, 2, k);
            sqlite3_bind_text(put, 3, lists[i].word(k), -1, SQLITE_STATIC);
            code = statement_run(put);
        }
    }
    sqlite3_finalize(put);
    return code;
}

int store_file_version(void)
{
    return N_MIGRATIONS;
}

/* All in one transaction: a kill leaves the old version or the new one. */
int store_file_migrate(sqlite3 *db)
{
    char mark[80];
    int64_t version;
    int code = read_number(db, "PRAGMA user_version", &version);
    if (code || version == N_MIGRATIONS)
        return code;
    code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int i = (int)version; i < N_MIGRATIONS && !code; i++)
        code = sqlite3_exec(db, schema_migrations[i], NULL, NULL, NULL);
    code = code ? code : add_words(db);
    snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION_ID, N_MIGRATIONS);
    return code ? code : sqlite3_exec(db, mark, NULL, NULL, NULL);
}

static int open_database(const struct store_settings *settings, sqlite3 **db, struct err *err)
{
    char pragmas[400];
    int code = sqlite3_open_v2(
        settings->path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (!code)
        sqlite3_busy_timeout(*db, OPEN_WAIT_MS);
    snprintf(
        pragmas, sizeof(pragmas),
        "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; "
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA secure_delete = OFF; "
        "PRAGMA cache_size = -%llu; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = "
        "67108864",
        (unsigned long long)(settings->cache_bytes / 1024));
    code = code ? code : sqlite3_exec(*db, pragmas, NULL, NULL, NULL);
    code = code ? code : store_file_migrate(*db);
    if (!code)
        return 0;
    err_set(err, store_file_is_full(*db, code) ? ERR_BUSY : ERR_IO, "%s: cannot be opened: %s",
            settings->path, *db ? sqlite3_errmsg(*db) : sqlite3_errstr(code));
    if (*db && !sqlite3_get_autocommit(*db))
        sqlite3_exec(*db, "ROLLBACK", NULL, NULL, NULL);
    return err->code;
}

/* Under another name it would have another lock, log and inbox. */
static int refuse_names(const char *path, struct err *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink < 2)
        return 0;
    return err_set(
        err, ERR_IO,
        "%s has %lu names (hard links), and whoever opens it by another knows nothing of "
        "its lock, its log and its inbox; remove the others, or copy it",
        path, (unsigned long)info.st_nlink);
}

int store_file_open(const struct store_settings *settings, int *lock_fd, sqlite3 **db,
                    struct err *err)
{
    if (take_lock(settings->path, lock_fd, err) || refuse_names(settings->path, err))
        return err->code;
    enum look look = look_at(settings->path, err);
    if (look == LOOK_REFUSED)
        return err->code;
    if (look == LOOK_DAMAGED) {
        if (!damage_was_ours(settings->path))
            return err_set(err, ERR_IO,
                           "%s is no SQLite database, or a damaged one that nothing shows to be "
                           "faultline's; choose another store.path, or move it away",
                           settings->path);
        damage_set_aside(settings->path);
    }
    return open_database(settings, db, err);
}
