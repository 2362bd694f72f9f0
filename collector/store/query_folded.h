/* query_folded.h - nodes in SQL as the graph shows them: `folded(mesh, id)` is the database's
 * number of the node that stands for the node with this number (mesh_fold()), the number itself
 * where nobody else does. It is for questions of ours: without a mesh it changes nothing.
 */
#pragma once

#include "collector/store/query_mesh.h"

int folded_add_function(sqlite3 *db);
/* Begins a mesh of the nodes whose numbers the first column of `sql` gives, and folds it; `sql` has
 * the window as its two parameters. mesh_fini() ends it, also after a failure. */
int folded_begin(struct mesh *mesh, struct query *query, enum graph_level level, const char *sql,
                 int64_t from, int64_t to, struct err *err);
/* A parameter that stands for the mesh. Borrowed until the statement ends. */
void folded_bind(sqlite3_stmt *select, int parameter, struct mesh *mesh);
