/* sql.c - read-only SQL: a query from the command line, standard input, or a prompt. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/base/json.h"
#include "collector/command/ask.h"

#define ANSWER_BYTES ((size_t)256 << 20)

#define SQL_INTEGER 1
#define SQL_FLOAT 2
#define SQL_BLOB 4

enum output { OUTPUT_TABLE, OUTPUT_CSV, OUTPUT_JSON, OUTPUT_NDJSON, OUTPUT_MARKDOWN };

struct printing {
    enum output output;
    size_t n_rows;
    bool named; /* the columns of this statement are told */
};

static void print_csv(struct str text)
{
    bool quote = false;
    for (size_t i = 0; i < text.len; i++)
        quote = quote || strchr(",\"\n\r", text.p[i]);
    if (!quote) {
        if (text.len)
            fwrite(text.p, 1, text.len, stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '"')
            putchar('"');
        putchar(text.p[i]);
    }
    putchar('"');
}

/* A cell ends at a pipe, and a row at a line's end. */
static void print_markdown(struct str text)
{
    while (text.len) {
        size_t n = 0;
        while (n < text.len && !strchr("|\n\r", text.p[n]))
            n++;
        print_clean((struct str){text.p, n}, 1000);
        if (n < text.len)
            printf(text.p[n] == '|' ? "\\|" : text.p[n] == '\n' ? "<br>" : "");
        text = str_skip(text, n < text.len ? n + 1 : n);
    }
}

/* Integers beyond 2^53 are no numbers to every reader: they go as strings. */
static bool is_json_number(int type, struct str text)
{
    int64_t number;
    if (type == SQL_FLOAT)
        return text.p[text.len - 1] != 'f'; /* Inf is no number of JSON */
    return type == SQL_INTEGER && str_to_i64(text, &number) && number <= (INT64_C(1) << 53) - 1 &&
           number >= -((INT64_C(1) << 53) - 1);
}

static void print_json_row(const struct query_rows *rows)
{
    struct buf out;
    buf_init(&out, (size_t)64 << 20);
    buf_add_char(&out, '{');
    for (int i = 0; i < rows->n_columns; i++) {
        struct str text = {rows->values[i], rows->values[i] ? (size_t)rows->lengths[i] : 0};
        if (i)
            buf_add_char(&out, ',');
        buf_add_json(&out, str_of(rows->names[i]));
        buf_add_char(&out, ':');
        if (!rows->values[i])
            buf_add_c(&out, "null");
        else if (is_json_number(rows->types[i], text))
            buf_add_str(&out, text);
        else if (rows->types[i] == SQL_BLOB)
            buf_addf(&out, "\"(%d bytes)\"", rows->lengths[i]);
        else
            buf_add_json(&out, text);
    }
    buf_add_char(&out, '}');
    fwrite(out.p, 1, out.len, stdout);
    buf_fini(&out);
}

static void print_cells(const struct printing *printing, const struct query_rows *rows, bool names)
{
    for (int i = 0; i < rows->n_columns; i++) {
        struct str text =
            names ? str_of(rows->names[i])
                  : (struct str){rows->values[i], rows->values[i] ? (size_t)rows->lengths[i] : 0};
        char blob[32];
        if (!names && rows->types[i] == SQL_BLOB) {
            snprintf(blob, sizeof(blob), "(%d bytes)", rows->lengths[i]);
            text = str_of(blob);
        }
        if (printing->output == OUTPUT_CSV) {
            printf("%s", i ? "," : "");
            print_csv(text);
        } else if (printing->output == OUTPUT_MARKDOWN) {
            printf("%s", i ? " | " : "| ");
            print_markdown(text);
        } else {
            printf("%s", i ? "  " : "");
            bool last = i + 1 == rows->n_columns;
            print_clean(text, last || text.len > 34 ? 1000 : text.len > 18 ? 34 : 18);
        }
    }
    printf(printing->output == OUTPUT_MARKDOWN ? " |\n" : "\n");
}

static void print_names(struct printing *printing, const struct query_rows *rows)
{
    if (printing->named || !rows->n_columns)
        return;
    printing->named = true;
    print_cells(printing, rows, true);
    if (printing->output != OUTPUT_MARKDOWN)
        return;
    for (int i = 0; i < rows->n_columns; i++)
        printf("|---");
    printf("|\n");
}

static bool print_row(const struct query_rows *rows, void *ctx)
{
    struct printing *printing = ctx;
    bool json = printing->output == OUTPUT_JSON || printing->output == OUTPUT_NDJSON;
    if (!json)
        print_names(printing, rows);
    if (!rows->values) {
        printing->named = false;
        return !ferror(stdout);
    }
    if (printing->output == OUTPUT_JSON)
        printf(printing->n_rows ? ",\n" : "[");
    if (json)
        print_json_row(rows);
    else
        print_cells(printing, rows, false);
    if (printing->output == OUTPUT_NDJSON)
        putchar('\n');
    printing->n_rows++;
    return !ferror(stdout);
}

static int run(struct query *query, const char *sql, enum output output)
{
    struct printing printing = {.output = output};
    struct err err = {0};
    query_sql(query, sql, print_row, &printing, &err);
    if (output == OUTPUT_JSON)
        printf(printing.n_rows ? "]\n" : "[]\n");
    fflush(stdout);
    if (err.code)
        fprintf(stderr, "faultline sql: %s\n", err.text);
    return err.code == ERR_INVALID ? EXIT_USAGE : err.code ? EXIT_NOT_DONE : EXIT_GOOD;
}

/* ---- by a running collector ---- */

#define MAX_COLUMNS 2000

static int type_of(const struct tree *cell)
{
    bool whole = cell->type == JSON_NUMBER && !memchr(cell->text.p, '.', cell->text.len) &&
                 !memchr(cell->text.p, 'e', cell->text.len);
    return cell->type != JSON_NUMBER ? 0 : whole ? SQL_INTEGER : SQL_FLOAT;
}

/* The answer of POST /api/v1/sql, as rows. */
static bool print_answer(struct arena *arena, const struct tree *answer, struct printing *printing)
{
    const char *names[MAX_COLUMNS], *values[MAX_COLUMNS];
    int types[MAX_COLUMNS], lengths[MAX_COLUMNS], n = 0;
    for (const struct tree *column = tree_get(answer, "columns")->first; column && n < MAX_COLUMNS;
         column = column->next)
        names[n++] = arena_dup(arena, tree_get(column, "name")->text).p;
    struct query_rows rows = {n, names, types, values, lengths},
                      end = {.n_columns = n, .names = names};
    for (const struct tree *row = tree_get(answer, "rows")->first; row; row = row->next) {
        int i = 0;
        for (const struct tree *cell = row->first; cell && i < n; cell = cell->next, i++) {
            values[i] = cell->type == JSON_NULL ? NULL : cell->text.len ? cell->text.p : "";
            lengths[i] = (int)cell->text.len;
            types[i] = type_of(cell);
        }
        if (!print_row(&rows, printing))
            return false;
    }
    return print_row(&end, printing);
}

static int run_url(const char *url, const char *sql, enum output output)
{
    struct printing printing = {.output = output};
    struct err err = {0};
    struct buf answer;
    struct arena arena;
    buf_init(&answer, ANSWER_BYTES);
    arena_init(&arena, 4 * ANSWER_BYTES);
    if (ask_sql(url, sql, &answer, &err) == 0) {
        const struct tree *tree = tree_read(&arena, buf_str(&answer));
        if (!tree || !print_answer(&arena, tree, &printing))
            err_set(&err, ERR_IO, "the answer cannot be read");
        else if (tree_get(tree, "truncated")->type == JSON_TRUE)
            fprintf(stderr, "faultline sql: only the first %zu rows (web.sql_rows)\n",
                    printing.n_rows);
    }
    if (output == OUTPUT_JSON)
        printf(printing.n_rows ? "]\n" : "[]\n");
    fflush(stdout);
    arena_fini(&arena);
    buf_fini(&answer);
    if (err.code)
        fprintf(stderr, "faultline sql: %s\n", err.text);
    return err.code == ERR_INVALID ? EXIT_USAGE : err.code ? EXIT_NOT_DONE : EXIT_GOOD;
}

/* Where the questions go: a file, or a collector. */
struct target {
    struct query *query;
    const char *url; /* NULL: the query */
};

static int run_at(const struct target *target, const char *sql, enum output output)
{
    return target->url ? run_url(target->url, sql, output) : run(target->query, sql, output);
}

static int run_input(const struct target *target, enum output output)
{
    char line[65536];
    int code = EXIT_GOOD;
    struct buf all;
    if (isatty(STDIN_FILENO)) {
        while (fprintf(stderr, "faultline> "), fgets(line, sizeof(line), stdin)) {
            if (str_trim(str_of(line)).len)
                code = run_at(target, line, output);
        }
        return code;
    }
    buf_init(&all, 1u << 20);
    for (size_t n; (n = fread(line, 1, sizeof(line), stdin)) > 0;)
        buf_add(&all, line, n);
    buf_add_char(&all, '\0');
    code = buf_failed(&all) ? EXIT_USAGE : run_at(target, all.p, output);
    buf_fini(&all);
    return code;
}

int command_sql(const struct options *options)
{
    static const char *const names[] = {"table", "csv", "json", "ndjson", "markdown"};
    const char *format = option(options, "format"), *url = option(options, "url");
    struct settings settings;
    struct err err = {0};
    int output = OUTPUT_TABLE;
    if (format) {
        for (output = 0; output < 5 && strcmp(format, names[output]) != 0; output++) {
        }
    }
    if (output == 5 || options->n_rest > 1) {
        fprintf(stderr,
                "faultline sql: one query; --format is table, csv, json, ndjson or markdown\n");
        return EXIT_USAGE;
    }
    if (!options_one_source(options))
        return EXIT_USAGE;
    struct config *config = options_store(options, &settings);
    if (!config)
        return EXIT_USAGE;
    struct target target = {NULL, url};
    int code = EXIT_NOT_DONE;
    if (!url && query_open(settings.store_path, &target.query, &err))
        fprintf(stderr, "faultline sql: %s\n", err.text);
    else if (options->n_rest)
        code = run_at(&target, options->rest[0], (enum output)output);
    else
        code = run_input(&target, (enum output)output);
    query_close(target.query);
    config_free(config);
    return code;
}
