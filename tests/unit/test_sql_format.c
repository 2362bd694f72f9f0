/* test_sql_format.c - printf and format of SQL beside SQLite's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "collector/store/sql_format.h"

#define NAMES "ours"

static sqlite3 *open_both(void)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_create_function(db, NAMES, -1, SQLITE_UTF8, NULL, sql_format, NULL, NULL),
        SQLITE_OK);
    return db;
}

/* `stars`: values that come before the one that is written. */
static void compare(sqlite3 *db, const char *conversion, char kind, const char *stars,
                    const char *value)
{
    char *arguments = sqlite3_mprintf("('a%%%s%cb%%d%%l%c%%'%s, %s, 5, %s)", conversion, kind, kind,
                                      stars, value, value);
    char *sql = sqlite3_mprintf("SELECT hex(printf%s) = hex(" NAMES "%s), printf%s, " NAMES "%s",
                                arguments, arguments, arguments, arguments);
    sqlite3_stmt *select;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &select, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(select), SQLITE_ROW);
    if (!sqlite3_column_int(select, 0))
        fail_msg("%s: '%s' is not '%s'", arguments, sqlite3_column_text(select, 2),
                 sqlite3_column_text(select, 1));
    sqlite3_finalize(select);
    sqlite3_free(sql);
    sqlite3_free(arguments);
}

/* Every conversion with every flag, width and precision that tells one from another, of values of
 * every kind: the same bytes. */
static void the_same_as_sqlite(void **state)
{
    static const char *const flags[] = {"",  "-",  "+",  " ",  "#",  "!", "0",
                                        ",", "-#", "+0", "-!", "!0", "0,"};
    static const struct {
        const char *text, *stars;
    } widths[] = {{"", ""},    {"7", ""},  {"*", ", 8"},       {".3", ""},
                  {"9.2", ""}, {".0", ""}, {"*.*", ", -6, 4"}, {"12.*", ", 8"}};
    static const char *const values[] = {
        "NULL",    "0",        "42",      "-7",        "9223372036854775807",
        "3.14159", "-1e30",    "'it''s'", "'\"é\" y'", "''",
        "'12.5x'", "x'414243'"};
    sqlite3 *db = open_both();
    char conversion[32];
    (void)state;
    for (size_t f = 0; f < sizeof(flags) / sizeof(flags[0]); f++) {
        for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
            snprintf(conversion, sizeof(conversion), "%s%s", flags[f], widths[w].text);
            for (const char *kind = "diuxXorpfeEgGcszqQw%nyT"; *kind; kind++) {
                for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
                    compare(db, conversion, *kind, widths[w].stars, values[v]);
            }
        }
    }
    sqlite3_close(db);
}

static int answer_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *select;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &select, NULL), SQLITE_OK);
    int code = sqlite3_step(select), type = code == SQLITE_ROW ? sqlite3_column_type(select, 0) : 0;
    sqlite3_finalize(select);
    return code == SQLITE_ROW ? type : code;
}

static void what_is_too_wide_is_an_error(void **state)
{
    static const char *const wide[] = {
        "ours('%1001d', 1)",  "ours('%*d', 2000000000, 1)",         "ours('%.*c', 1e12, 'x')",
        "ours('%.1001f', 1)", "ours('%-99999999999999999999s', 1)", "ours('%900d%900d', 1, 1)",
        "ours('%.900c', 'é')"};
    char sql[200];
    sqlite3 *db = open_both();
    (void)state;
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000);
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        snprintf(sql, sizeof(sql), "SELECT %s", wide[i]);
        if (answer_of(db, sql) != SQLITE_TOOBIG)
            fail_msg("%s is no error", wide[i]);
    }
    assert_int_equal(answer_of(db, "SELECT ours('%900d', 1)"), SQLITE_TEXT);
    assert_int_equal(answer_of(db, "SELECT ours(NULL, 1)"), SQLITE_NULL);
    assert_int_equal(answer_of(db, "SELECT ours()"), SQLITE_NULL);
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_as_sqlite),
                                       cmocka_unit_test(what_is_too_wide_is_an_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
