/* file.h - the file of the database: its lock, and its version. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <sqlite3.h>

#include "collector/store/store.h"

/* Takes the lock, opens or makes the file, sets a corrupt one aside, migrates. */
int store_file_open(const struct store_settings *settings, int *lock_fd, sqlite3 **db,
                    struct err *err);
void store_file_unlock(const char *path, int lock_fd);
void store_file_note(int lock_fd, const struct store_web *web);
/* Brings a database, which may be empty, to the newest version; an SQLite code. */
int store_file_migrate(sqlite3 *db);
int store_file_version(void);
/* Does this code say that the disk has no room? */
bool store_file_is_full(sqlite3 *db, int code);

#endif
