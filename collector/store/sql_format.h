/* sql_format.h - printf and format of SQL. */
#ifndef STORE_SQL_FORMAT_H
#define STORE_SQL_FORMAT_H

#include <sqlite3.h>

/* As SQLite's own, but for what would be wider than a text may be (SQLITE_LIMIT_LENGTH): that is an
 * error, "string or blob too big", at once. */
void sql_format(sqlite3_context *context, int n, sqlite3_value **values);

#endif
