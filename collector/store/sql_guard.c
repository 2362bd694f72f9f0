/* sql_guard.c - the authorizer, the limits, and text functions that cannot take long. */
#include "collector/store/sql_guard.h"

#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/store/sql_format.h"

#define LONGEST_TEXT (4 << 20)
#define LONGEST_PATTERN 100 /* of LIKE and GLOB: their time is its length times the text's */
#define MOST_COLUMNS 256
#define MOST_TRIMMED 64 /* characters named to trim() */
#define LOOK_EVERY 16   /* instructions */

/* ---- who may what ---- */

static bool is_in(const char *name, const char *const *list)
{
    for (; *list; list++) {
        if (sqlite3_stricmp(name, *list) == 0)
            return true;
    }
    return false;
}

/* What tells about the file and changes nothing. */
static bool may_pragma(const char *name, const char *value)
{
    static const char *const bare[] = {
        "application_id", "collation_list", "compile_options", "database_list",
        "encoding",       "freelist_count", "function_list",   "journal_mode",
        "module_list",    "page_count",     "page_size",       "pragma_list",
        "schema_version", "table_list",     "user_version",    NULL};
    static const char *const of[] = {"foreign_key_list", "index_info", "index_list",  "index_xinfo",
                                     "table_info",       "table_list", "table_xinfo", NULL};
    return name && is_in(name, value ? of : bare);
}

/* json_patch takes the square of its texts. */
static bool may_call(const char *name)
{
    static const char *const never[] = {"load_extension", "json_patch", "fts3_tokenizer", NULL};
    return name && !is_in(name, never);
}

static bool may(int action, const char *a, const char *b)
{
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return true;
    case SQLITE_FUNCTION:
        return may_call(b);
    case SQLITE_PRAGMA:
        return may_pragma(a, b);
    default:
        return false;
    }
}

static int authorize(void *ctx, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    struct query *query = ctx;
    (void)c, (void)d;
    if (may(action, a, b))
        return SQLITE_OK;
    query->denied = true;
    return SQLITE_DENY;
}

/* ---- how long, how much ---- */

static int watch(void *ctx)
{
    struct query *query = ctx;
    if (query->memory &&
        sqlite3_memory_used() - query->memory_before > (sqlite3_int64)query->memory)
        query->over_memory = true;
    return query->over_memory || clock_mono_ns() > query->deadline_ns;
}

bool sql_guard_over_memory(const struct query *query)
{
    return query->over_memory;
}

bool sql_guard_is_write(sqlite3 *db)
{
    const char *text = sqlite3_errmsg(db);
    return strncmp(text, "cannot modify ", 14) == 0 || strstr(text, " may not be modified") != NULL;
}

static const struct {
    int what, limit;
} limits[N_SQL_LIMITS] = {{SQLITE_LIMIT_LENGTH, LONGEST_TEXT},
                          {SQLITE_LIMIT_COLUMN, MOST_COLUMNS},
                          {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN},
                          {SQLITE_LIMIT_ATTACHED, 0}};

/* Table functions are declared when they are first used, by a CREATE TABLE of SQLite's own that the
 * authorizer would see: so that is done before. */
static void declare_table_functions(struct query *query)
{
    static const char *const names[] = {"json_each",
                                        "json_tree",
                                        "pragma_table_info",
                                        "pragma_table_xinfo",
                                        "pragma_index_list",
                                        "pragma_index_info",
                                        "pragma_table_list",
                                        "pragma_database_list",
                                        "pragma_function_list",
                                        NULL};
    char sql[64];
    sqlite3_stmt *select = NULL;
    for (int i = 0; names[i] && !query->declared; i++) {
        snprintf(sql, sizeof(sql), "SELECT 1 FROM %s", names[i]);
        sqlite3_prepare_v2(query->db, sql, -1, &select, NULL);
        sqlite3_finalize(select);
    }
    query->declared = true;
}

void sql_guard_begin(struct query *query, uint64_t timeout_ns, size_t memory)
{
    query->deadline_ns = clock_mono_ns() + timeout_ns;
    query->memory = memory;
    query->memory_before = sqlite3_memory_used();
    query->over_memory = query->denied = false;
    declare_table_functions(query);
    sqlite3_set_authorizer(query->db, authorize, query);
    if (!memory)
        return;
    sqlite3_progress_handler(query->db, LOOK_EVERY, watch, query);
    for (int i = 0; i < N_SQL_LIMITS; i++)
        query->limits[i] = sqlite3_limit(query->db, limits[i].what, limits[i].limit);
}

void sql_guard_end(struct query *query)
{
    sqlite3_set_authorizer(query->db, NULL, NULL);
    if (!query->memory)
        return;
    for (int i = 0; i < N_SQL_LIMITS; i++)
        sqlite3_limit(query->db, limits[i].what, query->limits[i]);
    query_watch_deadline(query);
    query->memory = 0;
}

/* ---- functions ---- */

static struct str text_of(sqlite3_value *value)
{
    bool blob = sqlite3_value_type(value) == SQLITE_BLOB;
    const void *p = blob ? sqlite3_value_blob(value) : (const void *)sqlite3_value_text(value);
    return (struct str){p, (size_t)sqlite3_value_bytes(value)};
}

static bool any_null(int n, sqlite3_value **values)
{
    for (int i = 0; i < n; i++) {
        if (sqlite3_value_type(values[i]) == SQLITE_NULL)
            return true;
    }
    return false;
}

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* Counts bytes between two blobs, else characters. */
static void instr_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    if (any_null(n, values))
        return;
    bool blobs = sqlite3_value_type(values[0]) == SQLITE_BLOB &&
                 sqlite3_value_type(values[1]) == SQLITE_BLOB;
    struct str in = text_of(values[0]), what = text_of(values[1]);
    const char *at = what.len ? memmem(in.p ? in.p : "", in.len, what.p, what.len) : in.p;
    sqlite3_int64 place = at || !what.len ? 1 : 0;
    for (const char *p = in.p; at && p < at; p++)
        place += blobs || begins_character(*p);
    sqlite3_result_int64(context, place);
}

static void replace_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct buf out;
    if (any_null(n, values))
        return;
    struct str in = text_of(values[0]), what = text_of(values[1]), with = text_of(values[2]);
    if (!what.len) {
        sqlite3_result_value(context, values[0]);
        return;
    }
    buf_init(&out, LONGEST_TEXT);
    for (const char *at; (at = memmem(in.p ? in.p : "", in.len, what.p, what.len)) != NULL;) {
        buf_add(&out, in.p, (size_t)(at - in.p));
        buf_add_str(&out, with);
        in = str_skip(in, (size_t)(at - in.p) + what.len);
    }
    buf_add_str(&out, in);
    if (buf_failed(&out))
        sqlite3_result_error_toobig(context);
    else
        sqlite3_result_text64(context, out.len ? out.p : "", out.len, SQLITE_TRANSIENT,
                              SQLITE_UTF8);
    buf_fini(&out);
}

/* The character that `s` begins with, or, from behind, the one it ends with. */
static struct str character(struct str s, bool behind)
{
    size_t i = behind ? s.len - 1 : 1;
    while (behind ? i > 0 && !begins_character(s.p[i]) : i < s.len && !begins_character(s.p[i]))
        behind ? i-- : i++;
    return behind ? (struct str){s.p + i, s.len - i} : (struct str){s.p, i};
}

static bool has_character(struct str set, struct str c)
{
    while (set.len) {
        struct str one = character(set, false);
        if (str_eq(one, c))
            return true;
        set = str_skip(set, one.len);
    }
    return false;
}

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2 };

static void trim_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    int side = *(const int *)sqlite3_user_data(context);
    if (any_null(n, values))
        return;
    struct str s = text_of(values[0]), set = text_of(values[1]);
    if (set.len > MOST_TRIMMED) {
        sqlite3_result_error(context, "trim: at most 64 bytes of characters can be named", -1);
        return;
    }
    while (side & TRIM_LEFT && s.len && has_character(set, character(s, false)))
        s = str_skip(s, character(s, false).len);
    while (side & TRIM_RIGHT && s.len && has_character(set, character(s, true)))
        s.len -= character(s, true).len;
    sqlite3_result_text64(context, s.len ? s.p : "", s.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

int sql_guard_functions(sqlite3 *db)
{
    static int left = TRIM_LEFT, right = TRIM_RIGHT, both = TRIM_LEFT | TRIM_RIGHT;
    const struct {
        const char *name;
        int n;
        int *ctx;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } rows[] = {{"instr", 2, NULL, instr_function},  {"replace", 3, NULL, replace_function},
                {"trim", 2, &both, trim_function},   {"ltrim", 2, &left, trim_function},
                {"rtrim", 2, &right, trim_function}, {"printf", -1, NULL, sql_format},
                {"format", -1, NULL, sql_format}};
    int code = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !code; i++)
        code =
            sqlite3_create_function(db, rows[i].name, rows[i].n, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                    rows[i].ctx, rows[i].function, NULL, NULL);
    return code;
}
