/* damage.h - databases that cannot be read any more: found at a start, or while they are written,
 * and set aside under a dated name by the next start. What was accepted and is not stored is in the
 * inbox, which stays.
 */
#ifndef STORE_DAMAGE_H
#define STORE_DAMAGE_H

#include <sqlite3.h>
#include <stdbool.h>

/* Looks whether it can be read: all of a small file, of a large one both ends of every table. 0,
 * SQLITE_CORRUPT, or what kept it from looking. */
int damage_check(sqlite3 *db, const char *path);
/* All of it, whatever its size. */
int damage_check_whole(sqlite3 *db);
/* Does this code of SQLite say that the file is damaged? */
bool damage_is(int code);
/* Was this damaged file one of ours? The folder of an inbox or a mark beside it, the number of our
 * program in its head, or the names of tables in it or its log say so; not that it is SQLite's:
 * other programs' databases are damaged too, and theirs to mend. */
bool damage_was_ours(const char *path);
/* For the next start: found damaged while it was in use. */
void damage_mark(const char *path);
bool damage_is_marked(const char *path);
/* Renames the file, its log and its index to PATH.corrupt-TIME; logged. */
void damage_set_aside(const char *path);

#endif
