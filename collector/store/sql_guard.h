/* sql_guard.h - what keeps a stranger's SQL from writing, and from taking more time and memory than
 * it was given.
 *
 * SQLite looks at the clock between its instructions, and one call of a function is one
 * instruction: so texts are short enough here, and functions fast enough, for one to end in time.
 */
#ifndef STORE_SQL_GUARD_H
#define STORE_SQL_GUARD_H

#include "collector/store/query_internal.h"

/* From here to sql_guard_end() the connection only reads; past the limits its statements end with
 * SQLITE_INTERRUPT or SQLITE_TOOBIG. `memory` of 0: no limit but the time. */
void sql_guard_begin(struct query *query, uint64_t timeout_ns, size_t memory);
void sql_guard_end(struct query *query);
/* After SQLITE_INTERRUPT: was it the memory? */
bool sql_guard_over_memory(const struct query *query);

/* After an error of preparing: was it the writing of what nobody may write (views, SQLite's own
 * tables)? SQLite refuses that before it asks whether it is allowed. */
bool sql_guard_is_write(sqlite3 *db);

/* instr, replace and trim in linear time, in place of SQLite's. */
int sql_guard_functions(sqlite3 *db);

#endif
