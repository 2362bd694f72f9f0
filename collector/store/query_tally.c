/* query_tally.c - keys and numbers of stored counters. */
#include "collector/store/query_tally.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROWS 4096

/* ---- rows that are here already ---- */

bool known_row(const struct known_rows *known, int64_t row, uint32_t *number)
{
    uint32_t found = row >= 0 && row < known->cap ? known->numbers[row] : 0;
    *number = found - 1;
    return found > 0;
}

bool know_row(struct known_rows *known, int64_t row, uint32_t number)
{
    if (row < 0)
        return false;
    if (row >= known->cap) {
        int64_t cap = known->cap ? known->cap : FIRST_ROWS;
        while (cap <= row)
            cap *= 2;
        uint32_t *grown = realloc(known->numbers, (size_t)cap * sizeof(*grown));
        if (!grown)
            return false;
        memset(grown + known->cap, 0, (size_t)(cap - known->cap) * sizeof(*grown));
        known->numbers = grown;
        known->cap = cap;
    }
    known->numbers[row] = number + 1;
    return true;
}

void known_rows_fini(struct known_rows *known)
{
    free(known->numbers);
    *known = (struct known_rows){0};
}

/* ---- keys ---- */

int key_reader_begin(struct key_reader *reader, struct query *query, struct names *names,
                     struct nodes *nodes, struct err *err)
{
    *reader = (struct key_reader){.names = names, .nodes = nodes};
    if (query_begin(query, "SELECT text FROM name WHERE id = ?", &reader->name, err) == 0)
        query_begin(query,
                    "SELECT cluster, namespace, service, version, role FROM node WHERE id = ?",
                    &reader->node, err);
    return err->code;
}

void key_reader_end(struct key_reader *reader)
{
    sqlite3_finalize(reader->name);
    sqlite3_finalize(reader->node);
    known_rows_fini(&reader->known_names);
    known_rows_fini(&reader->known_nodes);
}

static name_no read_name(struct key_reader *reader, int64_t row)
{
    name_no name = NAME_NONE;
    if (known_row(&reader->known_names, row, &name))
        return name;
    name = NAME_NONE;
    sqlite3_bind_int64(reader->name, 1, row);
    if (sqlite3_step(reader->name) == SQLITE_ROW)
        name = names_add(reader->names, column_str(reader->name, 0));
    sqlite3_reset(reader->name);
    know_row(&reader->known_names, row, name);
    return name;
}

static node_no read_node(struct key_reader *reader, int64_t row)
{
    node_no no = NODE_NONE;
    if (known_row(&reader->known_nodes, row, &no))
        return no;
    no = NODE_NONE;
    sqlite3_bind_int64(reader->node, 1, row);
    if (sqlite3_step(reader->node) == SQLITE_ROW) {
        name_no parts[4];
        for (int i = 0; i < 4; i++)
            parts[i] = read_name(reader, sqlite3_column_int64(reader->node, i));
        if (parts[2] != NAME_NONE)
            no = nodes_add(reader->nodes,
                           &(struct node){parts[0], parts[1], parts[2], parts[3],
                                          (uint8_t)sqlite3_column_int(reader->node, 4)});
    }
    sqlite3_reset(reader->node);
    know_row(&reader->known_nodes, row, no);
    return no;
}

struct tally_key read_tally_key(struct key_reader *reader, sqlite3_stmt *row, int first)
{
    return (struct tally_key){
        .channel = (uint8_t)sqlite3_column_int(row, first),
        .what = (uint8_t)sqlite3_column_int(row, first + 1),
        .name = read_name(reader, sqlite3_column_int64(row, first + 2)),
        .detail = read_name(reader, sqlite3_column_int64(row, first + 3)),
        .node = read_node(reader, sqlite3_column_int64(row, first + 4)),
        .peer = read_node(reader, sqlite3_column_int64(row, first + 5)),
    };
}

/* ---- numbers ---- */

bool tally_add(struct tally *tally, const int64_t numbers[TALLY_NUMBERS], struct str histogram)
{
    tally->n += numbers[0];
    tally->bad += numbers[1];
    tally->client_errors += numbers[2];
    tally->origins += numbers[3];
    tally->retries += numbers[4];
    tally->recovered += numbers[5];
    tally->sum_ns += numbers[6];
    return histogram_decode(&tally->histogram, histogram);
}
