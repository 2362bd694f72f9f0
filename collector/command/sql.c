/* sql.c - read-only SQL: a query from the command line, standard input, or a prompt. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/command/ask.h"

#define SQL_INTEGER 1
#define SQL_FLOAT 2
#define SQL_BLOB 4

enum output { OUTPUT_TABLE, OUTPUT_CSV, OUTPUT_JSON, OUTPUT_NDJSON, OUTPUT_MARKDOWN };

struct printing {
    enum output output;
    size_t n_rows;
};

static void print_csv(struct str text)
{
    bool quote = false;
    for (size_t i = 0; i < text.len; i++)
        quote = quote || strchr(",\"\n\r", text.p[i]);
    if (!quote) {
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

/* Integers beyond 2^53 are no numbers to every reader: they go as strings. */
static bool is_json_number(int type, struct str text)
{
    int64_t number;
    if (type == SQL_FLOAT)
        return true;
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
            print_clean(text, 1000);
        } else {
            printf("%s", i ? "  " : "");
            bool last = i + 1 == rows->n_columns;
            print_clean(text, last || text.len > 34 ? 1000 : text.len > 18 ? 34 : 18);
        }
    }
    printf(printing->output == OUTPUT_MARKDOWN ? " |\n" : "\n");
}

static bool print_row(const struct query_rows *rows, void *ctx)
{
    struct printing *printing = ctx;
    if (printing->output == OUTPUT_JSON || printing->output == OUTPUT_NDJSON) {
        if (printing->output == OUTPUT_JSON)
            printf(printing->n_rows ? ",\n" : "[");
        print_json_row(rows);
        if (printing->output == OUTPUT_NDJSON)
            putchar('\n');
    } else {
        if (!printing->n_rows)
            print_cells(printing, rows, true);
        if (!printing->n_rows && printing->output == OUTPUT_MARKDOWN) {
            for (int i = 0; i < rows->n_columns; i++)
                printf("|---");
            printf("|\n");
        }
        print_cells(printing, rows, false);
    }
    printing->n_rows++;
    return !ferror(stdout);
}

static int run(struct query *query, const char *sql, enum output output)
{
    struct printing printing = {output, 0};
    struct err err = {0};
    query_sql(query, sql, print_row, &printing, &err);
    if (output == OUTPUT_JSON)
        printf(printing.n_rows ? "]\n" : "[]\n");
    fflush(stdout);
    if (err.code)
        fprintf(stderr, "faultline sql: %s\n", err.text);
    return err.code == ERR_INVALID ? EXIT_USAGE : err.code ? EXIT_NOT_DONE : EXIT_GOOD;
}

static int run_input(struct query *query, enum output output)
{
    char line[65536];
    int code = EXIT_GOOD;
    struct buf all;
    if (isatty(STDIN_FILENO)) {
        while (fprintf(stderr, "faultline> "), fgets(line, sizeof(line), stdin))
            code = run(query, line, output);
        return code;
    }
    buf_init(&all, 1u << 20);
    for (size_t n; (n = fread(line, 1, sizeof(line), stdin)) > 0;)
        buf_add(&all, line, n);
    buf_add_char(&all, '\0');
    code = buf_failed(&all) ? EXIT_USAGE : run(query, all.p, output);
    buf_fini(&all);
    return code;
}

int command_sql(const struct options *options)
{
    static const char *const names[] = {"table", "csv", "json", "ndjson", "markdown"};
    const char *format = option(options, "format"), *db = option(options, "db");
    struct config_input input;
    struct query *query;
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
    struct config *config = options_config(options, &input);
    if (!config)
        return EXIT_USAGE;
    int code = EXIT_NOT_DONE;
    if (query_open(db ? db : config_settings(config)->store_path, &query, &err)) {
        fprintf(stderr, "faultline sql: %s\n", err.text);
    } else {
        code = options->n_rest ? run(query, options->rest[0], (enum output)output)
                               : run_input(query, (enum output)output);
        query_close(query);
    }
    config_free(config);
    return code;
}
