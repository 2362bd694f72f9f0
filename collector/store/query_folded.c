/* query_folded.c - what the graph knows of unknown parts, in SQL. */
#include "collector/store/query_folded.h"

#define POINTER "mesh"

static void folded_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    const struct mesh *mesh = sqlite3_value_pointer(values[0], POINTER);
    uint32_t node = mesh ? mesh_find(mesh, sqlite3_value_int64(values[1])) : UINT32_MAX;
    (void)n;
    if (node == UINT32_MAX)
        sqlite3_result_value(context, values[1]);
    else
        sqlite3_result_int64(context, mesh->nodes[mesh_same(mesh, node)].row);
}

int folded_add_function(sqlite3 *db)
{
    return sqlite3_create_function(db, "folded", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                   folded_function, NULL, NULL);
}

int folded_begin(struct mesh *mesh, struct query *query, enum graph_level level, const char *sql,
                 int64_t from, int64_t to, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (mesh_init(mesh, query, level, err) || query_begin(query, sql, &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, from);
    sqlite3_bind_int64(select, 2, to);
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        mesh_node(mesh, sqlite3_column_int64(select, 0));
    if (query_end(query, select, code, err))
        return err->code;
    if (mesh->short_of_memory || !mesh_fold(mesh))
        return err_set(err, ERR_BUSY, "memory is short");
    return 0;
}

void folded_bind(sqlite3_stmt *select, int parameter, struct mesh *mesh)
{
    sqlite3_bind_pointer(select, parameter, mesh, POINTER, NULL);
}
